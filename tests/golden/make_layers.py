"""Write `layers.json`: PyTorch's float64 outputs of layers, and gradients of inputs and parameters.

Each case has the class and options of `av.layers`, its weights by name, inputs and what the call takes beside them, the
outputs for them, weights `g` of a sum over the outputs, the gradients of that sum, and what the running statistics
became. Parameters are brought from PyTorch's layout into ours here, as the docstrings of the layers tell. Run with a
Python that has PyTorch::

    python tests/golden/make_layers.py
"""

import numpy as np
import torch
from torch import nn
from writer import write

SEED = 20261121
torch.set_default_dtype(torch.float64)
CASES = {}


def single(value):
    """Float numbers that float32 has, too."""
    return np.asarray(value).astype(np.float32).astype(np.float64)


def same(w):
    return w


def turned(w):
    return w.T


def filters(w):
    """(out, in, *kernel) as (*kernel, in, out)."""
    return w.permute(*range(2, w.ndim), 1, 0)


def randomized(module, rng):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(single(rng.normal(size=p.shape) * 0.5)))
    return module


def case(name, layer, options, module, weights, inputs, run=None, call=None, state=None, **how):
    """`weights`: our name -> (PyTorch's names, layout); several are summed. `run`: (module, *inputs) -> outputs.

    Inputs are shapes, or arrays of integers. `how` the layer is called: ``initial``, a nest of the numbers of those
    inputs that are the state before the first step; ``tied``, whether what comes out is projected back.
    """
    rng = np.random.default_rng([SEED, len(CASES)])
    randomized(module, rng)
    tensors = [
        torch.tensor(shape) if isinstance(shape, np.ndarray)
        else torch.tensor(single(rng.normal(size=shape)), requires_grad=True)
        for shape in inputs
    ]  # fmt: skip
    parameters = dict(module.named_parameters())

    def ours(of, total):
        found = {}
        for key, (names, layout) in weights.items():
            names = [names] if isinstance(names, str) else names
            parts = [of(parameters[n]) for n in names]
            found[key] = layout(sum(parts) if total else parts[0]).detach().numpy().tolist()
        return found

    values = ours(lambda p: p, True)
    y = module(*tensors) if run is None else run(module, *tensors)
    ys = y if isinstance(y, tuple) else (y,)
    g = [single(rng.normal(size=y.shape)) for y in ys]
    sum((y * torch.tensor(w)).sum() for y, w in zip(ys, g, strict=True)).backward()
    buffers = dict(module.named_buffers())
    CASES[name] = {
        "layer": layer, "options": options, "call": call or {}, "weights": values,
        "inputs": [t.detach().numpy().tolist() for t in tensors], "outputs": [y.detach().numpy().tolist() for y in ys],
        "g": [w.tolist() for w in g],
        "input_gradients": [t.grad.numpy().tolist() for t in tensors if t.requires_grad],
        "gradients": ours(lambda p: p.grad, False),
        "state": {key: buffers[theirs].numpy().tolist() for key, theirs in (state or {}).items()}, **how,
    }  # fmt: skip


KERNEL = {"kernel": ("weight", turned), "bias": ("bias", same)}
AFFINE = {"gamma": ("weight", same), "beta": ("bias", same)}
WINDOWS = {"kernel": ("weight", filters), "bias": ("bias", same)}


def dense():
    case("dense", "Dense", {"units": 4}, nn.Linear(3, 4), KERNEL, [(2, 5, 3)])
    case("dense_tanh", "Dense", {"units": 4, "activation": "tanh"}, nn.Linear(3, 4), KERNEL, [(2, 3)],
         lambda m, x: torch.tanh(m(x)))  # fmt: skip
    case("dense_no_bias", "Dense", {"units": 2, "use_bias": False}, nn.Linear(3, 2, bias=False),
         {"kernel": ("weight", turned)}, [(3,)])  # fmt: skip


def convolutions():
    case("conv1d", "Conv1D", {"filters": 4, "kernel_size": 3, "padding": "valid", "data_format": "NCW"},
         nn.Conv1d(2, 4, 3), WINDOWS, [(2, 2, 6)])  # fmt: skip
    case("conv2d", "Conv2D", {"filters": 4, "kernel_size": [3, 2], "strides": 2, "padding": 1, "activation": "relu"},
         nn.Conv2d(2, 4, (3, 2), 2, 1), WINDOWS, [(2, 5, 6, 2)],
         lambda m, x: torch.relu(m(x.movedim(-1, 1)).movedim(1, -1)))  # fmt: skip
    case("conv2d_groups", "Conv2D",
         {"filters": 4, "kernel_size": 3, "padding": "same", "groups": 2, "dilations": 2, "data_format": "NCHW"},
         nn.Conv2d(4, 4, 3, padding="same", groups=2, dilation=2), WINDOWS, [(1, 4, 5, 5)])  # fmt: skip
    case("conv1d_transpose", "Conv1DTranspose",
         {"filters": 3, "kernel_size": 3, "strides": 2, "padding": 1, "data_format": "NCW"},
         nn.ConvTranspose1d(2, 3, 3, 2, 1), WINDOWS, [(2, 2, 4)])  # fmt: skip
    case("conv2d_transpose", "Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": 1},
         nn.ConvTranspose2d(2, 3, 3, 2, 1), WINDOWS, [(1, 3, 4, 2)],
         lambda m, x: m(x.movedim(-1, 1)).movedim(1, -1))  # fmt: skip
    case("depthwise_conv2d", "DepthwiseConv2D",
         {"kernel_size": 3, "depth_multiplier": 2, "padding": "valid", "data_format": "NCHW"},
         nn.Conv2d(3, 6, 3, groups=3),
         {"kernel": ("weight", lambda w: w.reshape(3, 2, 3, 3).permute(2, 3, 0, 1)), "bias": ("bias", same)},
         [(2, 3, 4, 5)])  # fmt: skip


def pooling():
    case("max_pool1d", "MaxPool1D", {"size": 2, "data_format": "NCW"}, nn.MaxPool1d(2), {}, [(2, 3, 6)])
    case("max_pool2d", "MaxPool2D", {"size": 3, "strides": 2, "padding": 1, "data_format": "NCHW"},
         nn.MaxPool2d(3, 2, 1), {}, [(2, 2, 5, 6)])  # fmt: skip
    case("avg_pool1d", "AvgPool1D", {"size": 3, "data_format": "NCW"}, nn.AvgPool1d(3), {}, [(2, 3, 6)])
    case("avg_pool2d", "AvgPool2D",
         {"size": 3, "strides": 2, "padding": 1, "count_padding": True, "data_format": "NCHW"},
         nn.AvgPool2d(3, 2, 1), {}, [(2, 2, 5, 6)])  # fmt: skip
    case("global_avg_pool", "GlobalAvgPool", {"channels_first": True}, nn.AdaptiveAvgPool2d(1), {}, [(2, 3, 4, 5)],
         lambda m, x: m(x).flatten(1))  # fmt: skip
    case("global_max_pool", "GlobalMaxPool", {"channels_first": True}, nn.AdaptiveMaxPool2d(1), {}, [(2, 3, 4, 5)],
         lambda m, x: m(x).flatten(1))  # fmt: skip


def normalizations():
    moved = {"moving_mean": "running_mean", "moving_variance": "running_var"}
    case("batch_norm_train", "BatchNorm", {"axis": 1}, nn.BatchNorm2d(3), AFFINE, [(2, 3, 2, 2)],
         call={"training": True}, state=moved)  # fmt: skip
    case("batch_norm_momentum", "BatchNorm", {"momentum": 0.3, "eps": 1e-3}, nn.BatchNorm1d(3, 1e-3, 0.3), AFFINE,
         [(5, 3)], call={"training": True}, state=moved)  # fmt: skip
    case("batch_norm_eval", "BatchNorm", {}, nn.BatchNorm1d(3).eval(), AFFINE, [(5, 3)], call={"training": False},
         state=moved)  # fmt: skip
    case("layer_norm", "LayerNorm", {}, nn.LayerNorm(4), AFFINE, [(2, 3, 4)])
    case("layer_norm_axes", "LayerNorm", {"axis": [-2, -1], "eps": 1e-3}, nn.LayerNorm((3, 4), 1e-3), AFFINE,
         [(2, 3, 4)])  # fmt: skip
    case("group_norm", "GroupNorm", {"groups": 2, "axis": 1}, nn.GroupNorm(2, 4), AFFINE, [(2, 4, 3, 2)])
    case("rms_norm", "RMSNorm", {}, nn.RMSNorm(4), {"gamma": ("weight", same)}, [(2, 3, 4)])


def cell_weights(prefix, suffix, gru=False):
    """Those of one direction and layer of a recurrent module."""
    both = [f"bias_ih{suffix}", f"bias_hh{suffix}"]
    found = {
        f"{prefix}kernel": (f"weight_ih{suffix}", turned), f"{prefix}recurrent_kernel": (f"weight_hh{suffix}", turned),
        f"{prefix}bias": (both[0] if gru else both, same),
    }  # fmt: skip
    return found | ({f"{prefix}recurrent_bias": (both[1], same)} if gru else {})


def recurrent():
    for name, cell, module, gru in (
        ("simple_rnn", "SimpleRNNCell", nn.RNN, False), ("gru", "GRUCell", nn.GRU, True),
        ("lstm", "LSTMCell", nn.LSTM, False),
    ):  # fmt: skip

        def all_steps(m, x):
            return m(x)[0]

        one = cell_weights("a/", "_l0", gru)
        case(f"{name}_sequences", "RNN", {"cells": [[cell, 4, "a"]], "return_sequences": True},
             module(3, 4, batch_first=True), one, [(2, 5, 3)], all_steps)  # fmt: skip
        case(f"{name}_last", "RNN", {"cells": [[cell, 4, "a"]]}, module(3, 4, batch_first=True), one, [(2, 5, 3)],
             lambda m, x: m(x)[0][:, -1])  # fmt: skip
        both = {}
        for i, (there, back) in enumerate((("a", "b"), ("c", "d"))):
            both |= cell_weights(f"{there}/", f"_l{i}", gru) | cell_weights(f"{back}/", f"_l{i}_reverse", gru)
        case(f"{name}_stacked_both_directions", "RNN",
             {"cells": [[cell, 2, "a"], [cell, 2, "c"]], "backward": [[cell, 2, "b"], [cell, 2, "d"]],
              "return_sequences": True},
             module(3, 2, 2, batch_first=True, bidirectional=True), both, [(2, 4, 3)], all_steps)  # fmt: skip
        lengths = [4, 1, 2]
        both = cell_weights("a/", "_l0", gru) | cell_weights("b/", "_l0_reverse", gru)

        def packed(m, x, lengths=lengths):
            y = m(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
            return nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]

        def packed_last(m, x, lengths=lengths):
            states = m(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[1]
            h = states[0] if isinstance(states, tuple) else states
            return torch.cat([h[0], h[1]], -1)

        for kind, run in (("masked", packed), ("masked_last", packed_last)):
            case(f"{name}_{kind}", "RNN",
                 {"cells": [[cell, 2, "a"]], "backward": [[cell, 2, "b"]], "return_sequences": kind == "masked"},
                 module(3, 2, batch_first=True, bidirectional=True), both, [(3, 4, 3)], run,
                 call={"mask": [[i < n for i in range(4)] for n in lengths]})  # fmt: skip


def part(i, n):
    """Rows of `in_proj_weight`, or a part of its bias."""
    return lambda w: w[i * n : (i + 1) * n].movedim(-1, 0)


def attention_weights(prefix, theirs, n):
    found = {}
    for i, name in enumerate(("query", "key", "value")):
        found[f"{prefix}{name}/kernel"] = (f"{theirs}in_proj_weight", part(i, n))
        found[f"{prefix}{name}/bias"] = (f"{theirs}in_proj_bias", part(i, n))
    return found | {
        f"{prefix}output/kernel": (f"{theirs}out_proj.weight", turned),
        f"{prefix}output/bias": (f"{theirs}out_proj.bias", same),
    }


def attention():
    n, weights = 4, attention_weights("", "", 4)
    later = ~torch.ones(5, 5, dtype=bool).tril()

    def module():
        return nn.MultiheadAttention(4, 2, batch_first=True)

    case("attention_self", "MultiHeadAttention", {"heads": 2}, module(), weights, [(2, 5, n)],
         lambda m, x: m(x, x, x)[0])  # fmt: skip
    case("attention_causal", "MultiHeadAttention", {"heads": 2}, module(), weights, [(2, 5, n)],
         lambda m, x: m(x, x, x, attn_mask=later)[0], call={"causal": True})  # fmt: skip
    case("attention_cross", "MultiHeadAttention", {"heads": 2}, module(), weights, [(2, 3, n), (2, 5, n), (2, 5, n)],
         lambda m, q, k, v: m(q, k, v)[0])  # fmt: skip
    padding = [[True] * 5, [True] * 3 + [False] * 2]
    case("attention_padding", "MultiHeadAttention", {"heads": 2}, module(), weights, [(2, 5, n)],
         lambda m, x: m(x, x, x, key_padding_mask=~torch.tensor(padding))[0],
         call={"mask": [[[row]] for row in padding]})  # fmt: skip


def blocks():
    rest = {
        "hidden/kernel": ("linear1.weight", turned), "hidden/bias": ("linear1.bias", same),
        "output/kernel": ("linear2.weight", turned), "output/bias": ("linear2.bias", same),
    }  # fmt: skip

    def norms(n):
        found = {}
        for i, name in enumerate(("norm", "norm_1", "norm_2")[:n]):
            found |= {f"{name}/gamma": (f"norm{i + 1}.weight", same), f"{name}/beta": (f"norm{i + 1}.bias", same)}
        return found

    weights = attention_weights("attention/", "self_attn.", 4) | norms(2) | rest
    later = ~torch.ones(5, 5, dtype=bool).tril()
    for first in (True, False):
        for kind in ("gelu", "relu"):
            module = nn.TransformerEncoderLayer(4, 2, 8, 0.0, kind, batch_first=True, norm_first=first)
            case(f"block_{kind}{'_norm_first' * first}", "TransformerBlock",
                 {"heads": 2, "hidden": 8, "activation": kind, "norm_first": first}, module, weights, [(2, 5, 4)],
                 lambda m, x: m(x, src_mask=later), call={"causal": True})  # fmt: skip
        module = nn.TransformerDecoderLayer(4, 2, 8, 0.0, "gelu", batch_first=True, norm_first=first)
        case(f"block_cross{'_norm_first' * first}", "TransformerBlock",
             {"heads": 2, "hidden": 8, "cross": True, "norm_first": first}, module,
             attention_weights("attention/", "self_attn.", 4)
             | attention_weights("cross_attention/", "multihead_attn.", 4) | norms(3) | rest,
             [(2, 5, 4), (2, 3, 4)], lambda m, x, memory: m(x, memory, tgt_mask=later),
             call={"causal": True})  # fmt: skip


def embeddings():
    ids, table = np.array([[0, 4, 1], [4, 2, 4]]), {"embeddings": ("weight", same)}
    options = {"input_dim": 5, "output_dim": 3}
    case("embedding", "Embedding", options, nn.Embedding(5, 3), table, [ids])
    case("embedding_tied", "Embedding", options, nn.Embedding(5, 3), table, [ids],
         lambda m, i: nn.functional.linear(m(i), m.weight), tied=True)  # fmt: skip


def states():
    def two(states):
        return tuple(states) if isinstance(states, tuple) else (states,)

    for cell, one, module in (
        ("SimpleRNNCell", nn.RNNCell, nn.RNN), ("GRUCell", nn.GRUCell, nn.GRU), ("LSTMCell", nn.LSTMCell, nn.LSTM),
    ):  # fmt: skip
        gru, n = cell == "GRUCell", 2 if cell == "LSTMCell" else 1

        def step(m, x, *state, n=n):
            state = two(m(x, state if n > 1 else state[0]))
            return state[0], *state

        def both(m, x, *given, n=n):
            h = [torch.stack(given[i::n]) for i in range(n)]  # (directions, batch, units), of h, and of c
            y, state = m(x, tuple(h) if n > 1 else h[0])
            return y, *[part[i] for i in (0, 1) for part in two(state)]

        case(f"{cell}_step", cell, {"units": 4}, one(3, 4), cell_weights("", "", gru), [(2, 3)] + n * [(2, 4)], step,
             initial=[1, 2] if n > 1 else 1)  # fmt: skip
        case(f"{cell}_states_of_both_directions", "RNN",
             {"cells": [[cell, 2, "a"]], "backward": [[cell, 2, "b"]], "return_sequences": True, "return_state": True},
             module(3, 2, batch_first=True, bidirectional=True),
             cell_weights("a/", "_l0", gru) | cell_weights("b/", "_l0_reverse", gru),
             [(2, 4, 3)] + 2 * n * [(2, 2)], both, initial=[[[1, 2], [3, 4]]] if n > 1 else [[1, 2]])  # fmt: skip


def geometry():
    """Options of convolutions and their transposes that the cases above leave out."""
    case("conv1d_strides", "Conv1D", {"filters": 3, "kernel_size": 4, "strides": 2, "padding": 2, "use_bias": False},
         nn.Conv1d(2, 3, 4, 2, 2, bias=False), {"kernel": ("weight", filters)}, [(2, 7, 2)],
         lambda m, x: m(x.movedim(-1, 1)).movedim(1, -1))  # fmt: skip
    case("conv2d_transpose_groups", "Conv2DTranspose",
         {"filters": 6, "kernel_size": 2, "strides": 2, "groups": 2, "padding": "valid", "data_format": "NCHW"},
         nn.ConvTranspose2d(4, 6, 2, 2, groups=2), WINDOWS, [(1, 4, 2, 3)])  # fmt: skip
    case("batch_norm_plain", "BatchNorm", {"scale": False, "center": False}, nn.BatchNorm1d(3, affine=False), {},
         [(5, 3)], call={"training": True},
         state={"moving_mean": "running_mean", "moving_variance": "running_var"})  # fmt: skip
    case("layer_norm_plain", "LayerNorm", {"scale": False, "center": False}, nn.LayerNorm(4, elementwise_affine=False),
         {}, [(2, 4)])  # fmt: skip
    case("layer_norm_no_bias", "LayerNorm", {"center": False}, nn.LayerNorm(4, bias=False), {"gamma": ("weight", same)},
         [(2, 4)])  # fmt: skip


if __name__ == "__main__":
    for family in (
        dense, convolutions, pooling, normalizations, recurrent, attention, blocks, embeddings, states, geometry
    ):  # fmt: skip
        family()
    write(__file__, {"torch": torch.__version__, "dtype": "float64", "seed": SEED}, CASES)
