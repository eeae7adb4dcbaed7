"""NumPy's Philox generator as a kernel: the same uniform numbers, bit for bit, made where they are needed. Floor 0."""

from functools import cache
from typing import Any

import numpy as np

__all__ = ["Uniforms", "uniforms"]

_SOURCE = r"""
struct block_t { unsigned long long x[4]; };
__device__ unsigned long long high_half(unsigned long long a, unsigned long long b) {
#ifdef __CUDACC_RTC__
    return __umul64hi(a, b);
#else
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
#endif
}
__device__ block_t philox(block_t c, unsigned long long key_0, unsigned long long key_1) {
    for (int round = 0; round < 10; ++round) {
        const unsigned long long a = 0xD2E7470EE14C6C93ULL, b = 0xCA5A826395121157ULL;
        block_t next = {{high_half(b, c.x[2]) ^ c.x[1] ^ key_0, b * c.x[2],
                         high_half(a, c.x[0]) ^ c.x[3] ^ key_1, a * c.x[0]}};
        c = next;
        key_0 += 0x9E3779B97F4A7C15ULL;
        key_1 += 0xBB67AE8584CAA73BULL;
    }
    return c;
}
// `later`, where it is not null, is added to the number of the call: it counts the replays of a graph.
extern "C" __global__ void kernel(
    long long n, unsigned long long key_0, unsigned long long key_1, unsigned long long counter_0,
    unsigned long long counter_1, unsigned long long counter_2, unsigned long long counter_3,
    const unsigned long long* later, NUMBER* out
) {
    const int width = WIDTH;
    long long step = (long long)gridDim.x * blockDim.x;
    if (later) {
        unsigned long long before = counter_1;
        counter_1 += *later;
        if (counter_1 < before && !++counter_2) ++counter_3;
    }
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i * width < n; i += step) {
        block_t c = {{counter_0 + i + 1, counter_1, counter_2, counter_3}};
        if (c.x[0] < counter_0 && !++c.x[1] && !++c.x[2]) ++c.x[3];
        c = philox(c, key_0, key_1);
        for (int j = 0; j < width && i * width + j < n; ++j) out[i * width + j] = UNIFORM;
    }
}
"""
_OF = {  # by dtype: its name in C, numbers of a block of the generator, and the j-th of these
    np.dtype(np.float32): ("float", 8, "((unsigned)(c.x[j / 2] >> (j % 2 * 32)) >> 8) * (1.0f / 16777216.0f)"),
    np.dtype(np.float64): ("double", 4, "(c.x[j] >> 11) * (1.0 / 9007199254740992.0)"),
}


class Uniforms:
    """The kernel that fills an array with numbers in [0, 1); it is run as a `Kernel` is.

    Its arguments are the two words of the key, the four of the counter, 0 (or an array of one uint64: how many calls
    later), and the array.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x64-10), in the form of
    `numpy.random.Philox`: the counter goes up before a block is made, and a float32 takes half of a word, the lower
    half first.
    """

    wide = True
    compiled: Any = None

    def __init__(self, dtype):
        number, width, uniform = _OF[dtype]
        self.source = _SOURCE.replace("NUMBER", number).replace("WIDTH", str(width)).replace("UNIFORM", uniform)

    @staticmethod
    def twin(size, arguments) -> np.ndarray:
        """What the kernel writes, by NumPy."""
        *words, later, out = arguments
        key, counter = (sum(int(w) << (64 * i) for i, w in enumerate(some)) for some in (words[:2], words[2:]))
        counter += 0 if later.__class__ is np.uint64 else int(later[0]) << 64
        return np.random.Generator(np.random.Philox(key=key, counter=counter % (1 << 256))).random(size, out.dtype)


_kernel = cache(Uniforms)
_NONE = np.uint64(0)  # a null pointer


def uniforms(launch, generator: Any, out, later: Any = _NONE) -> None:
    """Fill `out` with what ``generator.random(out.shape, out.dtype)`` gives; the generator stays where it is.

    Parameters
    ----------
    launch : function
        See `backend.launcher`.
    generator : numpy.random.Generator
        Of a Philox that has given nothing since it was made, or a multiple of four words.
    out : array
        Of float32 or float64, in C order.
    later : array of one uint64, optional
        On the device: the numbers are those of the generator so many calls later (`seeds.generator`).

    Raises
    ------
    ValueError
        If the generator is another one, or stands within a block of four words.
    """
    state = generator.bit_generator.state
    if state["bit_generator"] != "Philox" or state["buffer_pos"] != 4 or state["has_uint32"]:
        raise ValueError(
            "numbers are made on the device by a Philox generator that stands at the begin of a block, got "
            f"{state['bit_generator']} at word {state.get('buffer_pos')}"
        )
    words = [*state["state"]["key"], *state["state"]["counter"]]
    launch(_kernel(out.dtype), out.size, [*words, later, out])
