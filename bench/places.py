"""Where a framework computes: put it on a device, time its steps there, count its memory.

A place is one framework on one device, in a process of its own. On the CPU time is the clock's and of all cores. On a
GPU it is that between two events in the framework's own stream, before the first and after the last of many steps, with
the clock beside it, from an idle device to an idle device. Where events see less than nine tenths of that, the work ran
elsewhere and the clock counts. JAX has no events: there it is the clock until the last result is ready.
"""

import contextlib
import time

GPU = "gpu:0"
SEEN = 0.9  # of the clock's time: with less, events missed something


class Missing(Exception):
    """A device that is not there, for this framework."""


class Place:
    """On the CPU; and what all places have."""

    settled = contextlib.nullcontext  # where steps are made

    def __init__(self, library, precision="float32"):
        self.library = library

    def tell(self):
        """What is worth noting of the device, and of the libraries beneath."""
        return {}

    def wait(self, result=None):
        """Return when all is computed."""

    def seconds(self, step, count):
        """Of a step, on average. A few more come before: others used the caches."""
        for _ in range(1 + count // 10):
            result = step()
        self.wait(result)
        clock, cores, start = time.perf_counter(), time.process_time(), self.event()
        for _ in range(count):
            result = step()
        stop = self.event()
        self.wait(result)
        clock, cores = time.perf_counter() - clock, time.process_time() - cores
        events = None if start is None else self.between(start, stop)
        seen = events is not None and events >= SEEN * clock
        found = {"seconds": (events if seen else clock) / count, "cores": cores / count, "clock": clock / count}
        return found | {"by": "events" if seen else "clock"}

    def event(self):
        """A point in the stream; None where there are none."""

    @contextlib.contextmanager
    def counted(self):
        """A dictionary that gets ``peak``: bytes that are allocated at most inside, less those that were before."""
        yield {}

    def copying(self, numbers):
        """A step that copies so many float32 numbers from one array to another."""
        import numpy as np

        a, b = np.ones((2, numbers), np.float32)
        return lambda: np.copyto(b, a)


class Jax(Place):
    """On any device: it waits for results only."""

    def wait(self, result=None):
        self.library.block_until_ready(result)


class OursOnGpu(Place):
    def __init__(self, library, precision="float32"):
        super().__init__(library, precision)
        try:
            import cupy
        except ImportError as error:
            raise Missing(f"CuPy: {error}") from None
        if not cupy.is_available():
            raise Missing(f"CuPy {cupy.__version__} sees no GPU")
        self.cupy = cupy
        tf32 = ["matmul_precision"] if precision == "tf32" else []
        for name in ("device", *tf32):
            if not hasattr(library, name):
                raise Missing(f"autograd_vs {library.__version__} has no av.{name} yet")
        # for the life of this process: steps run where their variables are
        self.inside = contextlib.ExitStack()
        self.inside.enter_context(library.device(GPU))
        if tf32:
            self.inside.enter_context(library.matmul_precision("tensorfloat32"))

    def tell(self):
        runtime = self.cupy.cuda.runtime
        name = runtime.getDeviceProperties(0)["name"].decode()
        return {"device": name, "cupy": self.cupy.__version__, "cuda": runtime.runtimeGetVersion()}

    def wait(self, result=None):
        self.cupy.cuda.Device().synchronize()

    def event(self):
        event = self.cupy.cuda.Event()
        event.record(self.cupy.cuda.get_current_stream())
        return event

    def between(self, start, stop):
        return self.cupy.cuda.get_elapsed_time(start, stop) / 1e3

    @contextlib.contextmanager
    def counted(self):
        """The blocks that CuPy's pools hand out."""

        class Peak(self.cupy.cuda.MemoryHook):
            name, now, most = "Peak", 0, 0

            def malloc_postprocess(self, mem_size, mem_ptr, **rest):
                if mem_ptr:  # 0: there was none
                    self.now += mem_size
                    self.most = max(self.most, self.now)

            def free_postprocess(self, mem_size, **rest):
                self.now -= mem_size

        found = {}
        with Peak() as hook:
            yield found
        found["peak"] = hook.most

    def copying(self, numbers):
        a, b = (self.cupy.ones(numbers, self.cupy.float32) for _ in "ab")
        return lambda: self.cupy.copyto(b, a)


class TorchOnGpu(Place):
    def __init__(self, library, precision="float32"):
        super().__init__(library, precision)
        if not library.cuda.is_available():
            raise Missing(f"PyTorch {library.__version__} sees no GPU")
        # only where steps are made: as the default of all calls it would cost each of them time
        self.settled = lambda: library.device("cuda")
        library.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        library.backends.cudnn.allow_tf32 = precision == "tf32"  # PyTorch's own default is True

    def tell(self):
        torch = self.library
        versions = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        return {"device": torch.cuda.get_device_name(), **versions}

    def wait(self, result=None):
        self.library.cuda.synchronize()

    def event(self):
        event = self.library.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start, stop):
        return start.elapsed_time(stop) / 1e3

    @contextlib.contextmanager
    def counted(self):
        """Tensors, and beside them what the caching allocator took from the device: the pools of CUDA graphs."""
        cuda, found = self.library.cuda, {}
        cuda.reset_peak_memory_stats()
        before, reserved = cuda.memory_allocated(), cuda.memory_reserved()
        yield found
        found |= {"peak": cuda.max_memory_allocated() - before, "reserved": cuda.max_memory_reserved() - reserved}

    def copying(self, numbers):
        a, b = self.library.ones(2, numbers, device="cuda")
        return lambda: b.copy_(a)


class JaxOnGpu(Jax):
    def __init__(self, library, precision="float32"):
        super().__init__(library, precision)
        try:
            self.device = library.devices("gpu")[0]
        except RuntimeError as error:
            raise Missing(f"JAX {library.__version__} sees no GPU: {error}") from None
        library.config.update("jax_default_device", self.device)
        # JAX's own default rounds the operands of float32 products to TF32
        library.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "highest")

    def tell(self):
        return {"device": self.device.device_kind, "platform": self.device.client.platform_version.strip()}

    @contextlib.contextmanager
    def counted(self):
        """The most since the process began, as JAX cannot start anew: a later variant may have needed less."""
        found, before = {}, self.device.memory_stats()["bytes_in_use"]
        yield found
        found["peak"] = self.device.memory_stats()["peak_bytes_in_use"] - before


ON_GPU = {"ours": OursOnGpu, "torch": TorchOnGpu, "jax": JaxOnGpu}


def place_of(framework, library, device="cpu", precision="float32"):
    """The place of a framework, whose module is `library`.

    The floor is NumPy's, on the CPU: on a GPU, too, it is what results are compared with.
    """
    if device == "cpu" or framework == "floor":
        return (Jax if framework == "jax" else Place)(library, precision)
    if framework not in ON_GPU:
        raise Missing(f"{framework} is not timed on a GPU here")
    return ON_GPU[framework](library, precision)
