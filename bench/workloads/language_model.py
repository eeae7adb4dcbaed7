"""A language model: 6 pre-LN transformer blocks of 512 units, causal, the words' table tied to the logits; Adam.

32 sequences of 256 tokens, 8 heads, feed-forward 2048 with tanh-gelu, 8192 words, learned positions, softmax
cross-entropy of the next token. The same in three precisions: LM is float32, LM_tf32 rounds the factors of its products
to TF32, LM_bf16 computes in bfloat16 what each library's mixed precision chooses, with parameters, Adam, normalization
and loss in float32. Ours is written with layers, PyTorch's as a Module, JAX's with functions.
"""

import contextlib
from functools import partial

import numpy as np
import peers

from .w6_transformer import EPSILON, NAMES, block_parameters
from .workload import Workload, as_function

SIZES = {"words": 8192, "batch": 32, "tokens": 256, "units": 512, "inner": 2048, "blocks": 6}
SMALL = {"words": 23, "batch": 2, "tokens": 5, "units": 16, "inner": 24, "blocks": 2}
HEADS = 8


def problem(small=False):
    """Parameters of block 0 are called ``0/g1``, ``0/b1`` and so on."""
    words, batch, tokens, units, inner, blocks = (SMALL if small else SIZES).values()
    rng = np.random.default_rng(0)
    arrays = {"table": 0.02 * rng.normal(size=(words, units)), "positions": 0.02 * rng.normal(size=(tokens, units))}
    for i in range(blocks):
        arrays |= {f"{i}/{name}": array for name, array in block_parameters(rng, units, inner).items()}
    arrays |= {"g": np.ones(units), "b": np.zeros(units)}
    text = rng.integers(0, words, (batch, tokens + 1))
    return {name: array.astype(np.float32) for name, array in arrays.items()} | {
        "ids": text[:, :-1],
        "labels": text[:, 1:],
    }


def parameters(arrays):
    return {name: array for name, array in arrays.items() if name not in ("ids", "labels")}


def by_block(p):
    """The parameters of each block, by their short names."""
    count = sum(name.endswith("/g1") for name in p)
    return [{name: p[f"{i}/{name}"] for name in NAMES} for i in range(count)]


# ---------------------------------------------------------------- ours


def ours(arrays, precision="float32"):
    import autograd_vs as av
    import optim

    class LanguageModel(av.layers.Layer):
        def __init__(self, words, units, inner, blocks, **options):
            super().__init__(**options)
            gelu = partial(av.nn.gelu, approximate=True)
            self.words = av.layers.Embedding(words, units)
            self.blocks = [av.layers.TransformerBlock(HEADS, inner, gelu) for _ in range(blocks)]
            self.norm = av.layers.LayerNorm(eps=EPSILON)

        def build(self, shape):
            self.positions = self.add_weight("positions", (shape[-1], self.words.output_dim))

        def call(self, ids):
            x = self.words(ids) + self.positions
            for block in self.blocks:
                x = block(x, causal=True)
            return self.words.attend(self.norm(x))

    words, units = arrays["table"].shape
    ids, labels = arrays["ids"], arrays["labels"]
    with av.VariableStore(), av.variable_scope("model", dtype=dtype_of(precision)):
        model = LanguageModel(words, units, len(arrays["0/b_in"]), len(by_block(arrays)))
        model(ids[:1])  # makes its variables
    for variable, array in zip(variables_of(model), handed_over(arrays), strict=True):
        variable.assign(array)
    variables = model.trainable_weights
    optimizer = optim.Adam()

    def step():
        with av.GradientTape() as tape:
            loss = av.mean(av.nn.softmax_cross_entropy(model(ids), labels))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def dtype_of(precision):
    """What a scope is told: None, or the policy of mixed precision."""
    import autograd_vs as av

    if precision != "bf16":
        return None
    if not hasattr(av, "Policy"):
        raise peers.LeftOut(f"autograd_vs {av.__version__} has no av.Policy yet")
    return av.Policy("bfloat16")


def variables_of(model):
    """In the order of `handed_over`."""
    found = [model.words.embeddings, model.positions]
    for block in model.blocks:
        attention, (norm, norm_1) = block.attention, block.norms
        projections = (attention.query, attention.key, attention.value, attention.output, block.hidden, block.output)
        for layer in projections:
            found += [layer.kernel, layer.bias]
        found += [norm.gamma, norm.beta, norm_1.gamma, norm_1.beta]
    return [*found, model.norm.gamma, model.norm.beta]


def handed_over(arrays):
    """Queries, keys and values have a layer each."""
    found = [arrays["table"], arrays["positions"]]
    for p in by_block(arrays):
        for w, b in zip(np.split(p["w_qkv"], 3, axis=1), np.split(p["b_qkv"], 3), strict=True):
            found += [w, b]
        found += [p[name] for name in ("w_o", "b_o", "w_in", "b_in", "w_out", "b_out", "g1", "b1", "g2", "b2")]
    return [*found, arrays["g"], arrays["b"]]


# ---------------------------------------------------------------- theirs


def torch(arrays, precision="float32", loop=peers.torch_loop, compiled=False):
    import torch
    from torch import nn
    from torch.nn import functional as F

    batch, tokens = arrays["ids"].shape
    words, units = arrays["table"].shape

    class Block(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(units, EPSILON), nn.LayerNorm(units, EPSILON)
            self.qkv, self.o = nn.Linear(units, 3 * units), nn.Linear(units, units)
            self.hidden, self.output = nn.Linear(units, inner), nn.Linear(inner, units)

        def forward(self, x):
            q, k, v = self.qkv(self.norm1(x)).view(batch, tokens, 3, HEADS, units // HEADS).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.o(mixed.transpose(1, 2).reshape(batch, tokens, units))
            return x + self.output(F.gelu(self.hidden(self.norm2(x)), approximate="tanh"))

    class LanguageModel(nn.Module):
        def __init__(self, inner, blocks):
            super().__init__()
            self.words, self.positions = nn.Embedding(words, units), nn.Parameter(torch.empty(tokens, units))
            self.blocks, self.norm = nn.ModuleList(Block(inner) for _ in range(blocks)), nn.LayerNorm(units, EPSILON)

        def forward(self, ids):
            x = self.words(ids) + self.positions
            for block in self.blocks:
                x = block(x)
            return F.linear(self.norm(x), self.words.weight)

    blocks = by_block(arrays)
    model = LanguageModel(len(arrays["0/b_in"]), len(blocks))
    names = {"table": "words.weight", "positions": "positions", "g": "norm.weight", "b": "norm.bias"}
    for short, layer in {"qkv": "qkv", "o": "o", "in": "hidden", "out": "output"}.items():
        names |= {f"w_{short}": f"{layer}.weight", f"b_{short}": f"{layer}.bias"}
    for n in "12":
        names |= {f"g{n}": f"norm{n}.weight", f"b{n}": f"norm{n}.bias"}
    state = {}
    for name, array in parameters(arrays).items():
        number, _, short = name.rpartition("/")
        key = f"blocks.{number}.{names[short]}" if number else names[short]
        state[key] = torch.tensor(array.T if short.startswith("w_") else array)
    model.load_state_dict(state)
    mixed = contextlib.nullcontext
    if precision == "bf16":
        mixed = partial(torch.autocast, next(model.parameters()).device.type, torch.bfloat16)

    def loss(ids, labels):
        with mixed():
            return F.cross_entropy(model(ids).flatten(0, 1), labels.flatten())

    loss = peers.torch_compile(loss) if compiled else loss
    return loop(loss, list(model.parameters()), [(arrays["ids"], arrays["labels"])])


def jax(arrays, precision="float32"):
    import jax
    import jax.numpy as jnp

    half = jnp.bfloat16 if precision == "bf16" else jnp.float32

    def linear(x, w, b):
        return x.astype(half) @ w.astype(half) + b.astype(half)

    def layer_norm(x, gamma, beta):
        x = x.astype(jnp.float32)
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + EPSILON) * gamma + beta

    def attention(q_k_v):
        batch, tokens, size = q_k_v.shape
        q, k, v = jnp.moveaxis(q_k_v.reshape(batch, tokens, 3, HEADS, size // 3 // HEADS), 2, 0)
        return jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(batch, tokens, size // 3)

    def block(x, p):
        q_k_v = linear(layer_norm(x, p["g1"], p["b1"]), p["w_qkv"], p["b_qkv"])
        x = x + linear(attention(q_k_v), p["w_o"], p["b_o"])
        h = jax.nn.gelu(linear(layer_norm(x, p["g2"], p["b2"]), p["w_in"], p["b_in"]))
        return x + linear(h, p["w_out"], p["b_out"])

    def loss(p, ids, labels):
        x = p["table"][ids] + p["positions"]
        for own in by_block(p):
            x = block(x, own)
        x = layer_norm(x, p["g"], p["b"])
        logits = (x.astype(half) @ p["table"].T.astype(half)).astype(jnp.float32)
        log_p = jax.nn.log_softmax(logits)
        return -jnp.mean(jnp.take_along_axis(log_p, labels[..., None], axis=-1))

    return peers.jax_step(loss, parameters(arrays), [(arrays["ids"], arrays["labels"])])


def in_precision(precision, tolerance):
    eager = partial(ours, precision=precision)
    plain = partial(torch, precision=precision)
    fused = partial(plain, loop=partial(peers.torch_loop, optimizer=partial(peers.torch_adam, fused=True)))
    return Workload(
        "LM" if precision == "float32" else f"LM_{precision}",
        f"language model, 6 transformer blocks of 512 units, 32 x 256 tokens, Adam, {precision}",
        problem,
        {
            "torch": plain,
            "torch, fused Adam": fused,
            "torch, compiled model": partial(fused, compiled=True),
            "jax": partial(jax, precision=precision),
            "ours": eager,
            "ours, function": as_function(eager),
        },
        checked_steps=5,
        tolerance=tolerance,
        precision=precision,
    )


WORKLOADS = [in_precision("float32", 1e-4), in_precision("tf32", 2e-3), in_precision("bf16", 2e-2)]
