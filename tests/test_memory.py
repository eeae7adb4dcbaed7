"""Ten thousand training steps leave the memory where it was after a hundred; a long tape grows linearly."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.host("measures the memory of processes of their own, on NumPy")

STEPS = """
import gc, json, os, resource, sys, tracemalloc
import numpy as np
import autograd_vs as av, optim

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

rng = np.random.default_rng(0)
x = av.Tensor(rng.standard_normal((32, 2)).astype(np.float32))
y = av.Tensor(rng.standard_normal((32, 1)).astype(np.float32))

def dense(h, units, name):
    with av.variable_scope(name):
        w = av.get_variable("w", (h.shape[-1], units))
        b = av.get_variable("b", (units,), initializer=av.initializers.zeros)
    return h @ w + b

optimizer = optim.Adam(1e-3)

def step():
    with av.variable_scope("net", reuse=av.AUTO_REUSE), av.GradientTape() as tape:
        h = av.tanh(dense(av.tanh(dense(x, 32, "a")), 32, "b"))
        loss = av.mean(av.square(dense(h, 1, "c") - y))
    variables = av.trainable_variables()
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss

measured = [0] * 6

def measure(start):
    measured[start : start + 3] = tracemalloc.get_traced_memory()[0], len(gc.get_objects()), resident()

gc.disable()
tracemalloc.start()
for start, steps in (0, 100), (3, int(sys.argv[1]) - 100):  # one line: a store remembers each place that asks
    for _ in range(steps):
        step()
    measure(start)
print(json.dumps([b - a for a, b in zip(measured[:3], measured[3:])]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_thousand_steps_leave_memory_where_it_was():
    out = subprocess.run([sys.executable, "-c", STEPS, "10000"], capture_output=True, text=True, check=True).stdout
    traced, objects, resident = json.loads(out)
    assert traced < 1024, f"{traced} bytes of Python memory more after 10,000 steps than after 100"
    assert objects <= 0, f"{objects} objects more"
    assert resident < 2 * 2**20, f"{resident} bytes of resident memory more"


LONG = """
import sys, time, tracemalloc
import numpy as np
import autograd_vs as av
x = av.Tensor(np.ones(2))
tracemalloc.start()
with av.GradientTape() as tape:
    tape.watch(x)
    y = x
    for _ in range(int(sys.argv[1]) // 2):
        y = y * 1.0000001 + 0.0
recorded = tracemalloc.get_traced_memory()[0]
tape.gradient(y, x)
print(recorded, tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.slow
def test_the_memory_of_a_long_tape_grows_linearly():
    def measure(ops):
        out = subprocess.run([sys.executable, "-c", LONG, str(ops)], capture_output=True, text=True, check=True).stdout
        return [int(n) / ops for n in out.split()]

    (short, short_peak), (long, long_peak) = measure(20_000), measure(200_000)
    assert long < 1.1 * short and long < 1000, f"bytes per op: {short:.0f} of 20,000, {long:.0f} of 200,000"
    assert long_peak < 1.1 * short_peak, f"peak bytes per op: {short_peak:.0f}, {long_peak:.0f}"
