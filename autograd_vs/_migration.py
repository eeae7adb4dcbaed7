"""What users of TensorFlow, PyTorch and JAX look for and what to write here instead: the words of the AttributeErrors.

On Tensors and Variables the names are descriptors that raise, not a ``__getattr__``: with one of those on the class,
CPython 3.11 finds each attribute that *is* there four times slower, and an eager op takes 1.25 times as long.
"""

from functools import partialmethod
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from .engine.protocol import Operand, install

__all__ = ["ON_LAYERS", "Absent", "Elsewhere", "advice", "layers_advice", "missing", "nn_advice"]

_STORE = "`with av.VariableStore() as store:`"
_LISTS = "use store.variables(scope), store.trainable_variables(scope) or store.regularization_losses(scope)"
_PLAIN = "plain NumPy arrays are constants; av.Variable(x) or av.get_variable makes what is trained"
_DTYPES = "a dtype is NumPy's, or its name"
_SEED = "use av.random.set_seed(seed)"
_RUNS = "everything runs when it is called: there is no graph and no session"
_ADVICE = {
    "Session": f"{_RUNS}. Call your functions; `.numpy()` gives the value of a Tensor or Variable",
    "InteractiveSession": f"{_RUNS}. `.numpy()` gives the value of a Tensor or Variable",
    "Graph": f"{_RUNS}. For a fresh set of names: {_STORE}",
    "get_default_graph": f"{_RUNS}. For the variables: av.current_store()",
    "reset_default_graph": f"forget the variables with av.current_store().reset(), or use {_STORE}",
    "placeholder": "pass arrays to a Python function: `def step(x, y): ...`",
    "placeholder_with_default": "give the parameter of your Python function a default",
    "global_variables_initializer": "a variable has its value from the moment it is made",
    "local_variables_initializer": "a variable has its value from the moment it is made",
    "initialize_all_variables": "a variable has its value from the moment it is made",
    "variables_initializer": "a variable has its value from the moment it is made",
    "local_variables": "make them with trainable=False; av.global_variables() lists all",
    "all_variables": "use av.global_variables()",
    "get_collection": _LISTS,
    "add_to_collection": "keep a Python list",
    "GraphKeys": _LISTS,
    "gradients": "record on `with av.GradientTape() as tape:`, then tape.gradient(target, sources); or av.grad(f)",
    "train": "optimizers and schedules are in the package optim: `import optim; optim.Adam(learning_rate=1e-3)`; "
    "checkpoints are av.save, av.load and av.CheckpointManager",
    "optimizers": "optimizers are in the package optim: `import optim; optim.Adam(learning_rate=1e-3)`",
    "losses": "the losses are in av.nn; the terms of the regularizers are store.regularization_losses()",
    "assign": "use variable.assign(value)",
    "assign_add": "use variable.assign_add(value)",
    "assign_sub": "use variable.assign_sub(value)",
    "convert_to_tensor": "use av.asarray(x), or av.Tensor(x) without a copy",
    "cast": "use x.astype(dtype)",
    "reduce_mean": "use av.mean(x, axis)",
    "reduce_sum": "use av.sum(x, axis)",
    "reduce_max": "use av.max(x, axis)",
    "reduce_min": "use av.min(x, axis)",
    "reduce_prod": "use av.prod(x, axis)",
    "set_random_seed": _SEED,
    "manual_seed": _SEED,
    "seed": _SEED,
    "constant": "use av.asarray(x) for a Tensor, av.initializers.constant(x) for an initializer",
    "control_dependencies": f"{_RUNS}, in the order in which it is written",
    "no_grad": "compute outside of the tape, or inside of `with tape.stop_recording():`; or av.stop_gradient(x)",
    "inference_mode": "compute outside of the tape: only a GradientTape records",
    "enable_grad": "record on `with av.GradientTape() as tape:`",
    "tensor": f"use av.asarray(x), or NumPy: {_PLAIN}",
    "array": f"use np.array(x): {_PLAIN}",
    "from_numpy": f"use the array as it is: {_PLAIN}",
    "is_tensor": "use isinstance(x, (av.Tensor, av.Variable))",
    "autograd": "record on `with av.GradientTape() as tape:`, then tape.gradient(loss, variables); or av.grad(f)",
    "optim": "optimizers are in a package of their own: `import optim; optim.Adam(learning_rate=1e-3)`",
    "keras": "layers are in av.layers, optimizers in the package optim",
    "Module": "derive from av.layers.Layer, or write a function with av.variable_scope and av.get_variable",
    "jit": "use av.function, around a whole training step",
    "compile": "use av.function, around a whole training step",
    "lax": "use av.cond, av.while_loop and av.scan; array functions have NumPy's names, in av",
    "numpy": "NumPy's own functions take Tensors and Variables: np.exp(t) is av.exp(t)",
    "unsqueeze": "use av.expand_dims(x, axis)",
    "cat": "use av.concatenate(arrays, axis)",
    "mm": "use av.matmul(a, b), a @ b",
    "bmm": "use av.matmul(a, b), a @ b",
    "embedding_lookup": "use av.nn.embedding_lookup(table, ids)",
    "gather": "use av.take(x, indices, axis); rows of a Variable by av.nn.embedding_lookup(table, ids)",
    "gather_nd": "index as in NumPy: x[rows, columns]",
    "boolean_mask": "index as in NumPy: x[mask]",
    "one_hot": "use av.nn.one_hot(labels, depth)",
    "sigmoid": "use av.nn.sigmoid(x)",
    "relu": "use av.nn.relu(x)",
    "softmax": "use av.nn.softmax(x, axis)",
    "norm": "use av.linalg.norm(x)",
    "shape": "use x.shape, a tuple",
    "range": "use np.arange, or Python's range",
    "fill": "use np.full(shape, value)",
    "is_nan": "use av.isnan(x)",
    "to_float": "use x.astype('float32')",
    "to_int32": "use x.astype('int32')",
    "random_normal": "use av.random.normal",
    "random_uniform": "use av.random.uniform",
    "truncated_normal": "use av.random.truncated_normal; av.initializers.truncated_normal for a variable",
    "clip_by_global_norm": "use gradients, norm = optim.clip_by_global_norm(gradients, limit), or global_clipnorm= of "
    "an optimizer",
    "clip_by_norm": "use optim.clip_by_norm, or clipnorm= of an optimizer",
    "clip_by_value": "use av.clip(x, low, high); of gradients optim.clip_by_value, or clipvalue= of an optimizer",
    "map_fn": "use av.vmap(f)(x), av.scan where one step needs the one before, or a Python loop",
    "sequence_mask": "use np.arange(longest) < lengths[:, None]",
    "py_func": "call it: everything runs as Python; inside of av.function by av.outside",
    "py_function": "call it: everything runs as Python; inside of av.function by av.outside",
    "contrib": "cells and layers are in av.layers, losses in av.nn",
    "identity": "a Tensor never changes: use it as it is, or x + 0 for a copy of a Variable's value",
}


_CONSTANTS = (
    "zeros", "ones", "empty", "eye", "arange", "indices", "tri", "loadtxt", "frombuffer",
    "fromfunction", "asanyarray", "ascontiguousarray",
)  # fmt: skip

_WRITE = (
    "a Tensor never changes: x.at[index].set(values) is a new one; for a Variable there are assign, assign_add and "
    "assign_sub"
)
_IN_PLACE = "that of NumPy works in place, and a Tensor never changes"
_TAPE = "record on `with av.GradientTape() as tape:`, then tape.gradient(loss, variables) returns the gradients"
_VALUE = "x.numpy() copies the value"
_ATTRIBUTES = {
    "grad": f"gradients are not kept on what they belong to. {_TAPE[0].upper()}{_TAPE[1:]}",
    "backward": _TAPE,
    "grad_fn": f"the record is the tape's. {_TAPE[0].upper()}{_TAPE[1:]}",
    "retain_grad": "inside of the tape every Tensor can be a source: tape.gradient(loss, [x])",
    "zero_grad": "there is nothing to reset: tape.gradient returns new gradients each time",
    "requires_grad": "tapes watch Variables by themselves, where they are trainable; tape.watch(x) for a Tensor",
    "requires_grad_": "make it a Variable, or call tape.watch(x) inside of the tape",
    "is_leaf": "tapes watch Variables by themselves; tape.watch(x) for a Tensor",
    "detach": f"use av.stop_gradient(x); {_VALUE}",
    "detach_": f"use av.stop_gradient(x); {_VALUE}",
    "cpu": 'use x.to("cpu"); x.numpy() gives a NumPy array',
    "cuda": 'use x.to("gpu:0"); what is made inside of `with av.device("gpu:0"):` lies there',
    "view": "use x.reshape(shape); x.astype(dtype) converts; x.numpy().view(dtype) reads the bytes of a copy",
    "unsqueeze": "use av.expand_dims(x, axis)",
    "permute": "use x.transpose(axes)",
    "contiguous": "leave it out: NumPy takes care of it",
    "expand": "use av.broadcast_to(x, shape)",
    "numel": "use x.size",
    "dim": "use x.ndim",
    "clone": "a Tensor never changes: use it as it is; x.copy() is a new one with its gradient",
    "data": f"{_VALUE}; to write into a Variable, variable.assign(value)",
    "float": "use x.astype('float32')",
    "double": "use x.astype('float64')",
    "long": "use x.astype('int64')",
    "exp": "use av.exp(x)",
    "log": "use av.log(x)",
    "sqrt": "use av.sqrt(x)",
    "pow": "use x ** y",
    "abs": "use abs(x)",
    "sigmoid": "use av.nn.sigmoid(x)",
    "relu": "use av.nn.relu(x)",
    "softmax": "use av.nn.softmax(x, axis)",
    "add_": _WRITE,
    "sub_": _WRITE,
    "mul_": _WRITE,
    "copy_": _WRITE,
    "fill_": _WRITE,
    "zero_": _WRITE,
    "fill": _WRITE,
    "itemset": _WRITE,
    "setfield": _WRITE,
    "put": f"{_IN_PLACE}: use av.scatter(x, indices, values)",
    "sort": f"{_IN_PLACE}: use av.sort(x, axis)",
    "partition": f"{_IN_PLACE}: use av.sort(x, axis); x.argpartition(kth) gives the places",
    "resize": f"{_IN_PLACE}: use av.resize(x, shape), or x.reshape(shape)",
    "setflags": "nobody writes to a Tensor, whatever its flags; x.numpy() is a copy of your own",
    "byteswap": f"{_VALUE}: x.numpy().byteswap()",
    "newbyteorder": f"{_VALUE}: x.numpy().view(x.dtype.newbyteorder())",
    "getfield": f"{_VALUE}: x.numpy().getfield(dtype, offset)",
    "ctypes": f"{_VALUE}: x.numpy().ctypes",
    "base": "x.array is the array that it holds: x.array.base",
    "ptp": "use av.ptp(x, axis)",
    "tostring": "use x.tobytes()",
    "value": f"use the Variable itself in computations; {_VALUE}",
    "read_value": f"use the Variable itself in computations, or variable + 0; {_VALUE}",
    "initialized_value": "a variable has its value from the moment it is made: use the Variable itself",
    "eval": f"{_RUNS}: {_VALUE}",
    "get_shape": "use x.shape, a tuple",
    "set_shape": "the shape is known: x.shape",
    "load": "use variable.assign(value)",
    "scatter_update": "use variable.assign(variable.at[index].set(value))",
    "scatter_nd_update": "use variable.assign(variable.at[index].set(value))",
    "scatter_add": "use variable.assign(variable.at[index].add(value))",
}

_LAYER = "use av.layers.Dense(units), or av.nn.linear(x, w, b) with variables of your own"
_MODEL = "derive from av.layers.Layer, or write a function with av.variable_scope and av.get_variable"
_CONVOLUTION = "use av.layers.Conv2D(filters, size), or av.nn.conv2d(x, filters, strides, padding), and their kin"
_POOLING = "use av.nn.max_pool2d(x, size), av.nn.avg_pool2d, av.nn.adaptive_avg_pool2d and their kin"
_ENTROPY = (
    "use av.nn.softmax_cross_entropy(logits, labels): labels are classes or probabilities, and the loss of each row "
    "comes back (reduction='mean' for one number); there are class_weights=, label_smoothing= and ignore="
)
_BINARY = "use av.nn.sigmoid_cross_entropy(logits, labels), a loss for each label; reduction='mean' for one number"
_DIVERGENCE = "use av.nn.kl_divergence(p, q), where p is the target; of logarithms av.nn.kl_divergence(p, q, logs=True)"
_LOOP = (
    "use av.layers.RNN(av.layers.LSTMCell(units)), or a Python loop over a cell: "
    "`for x in steps: h, c = av.nn.lstm_cell(x, h, c, kernel, recurrent, bias)`"
)
_BATCH = (
    "use av.layers.BatchNorm(), or av.nn.batch_norm_train(x, gamma, beta) for training, and "
    "av.nn.batch_norm(x, gamma, beta, mean, variance) for later"
)
_ATTENTION = "use av.layers.MultiHeadAttention(heads), or av.nn.scaled_dot_product_attention(q, k, v)"
_CHANNELS = "use av.nn.dropout(x, rate, training=True, noise_shape=(None, 1, 1, None))"
_RESIZE = "use av.nn.resize(x, size, method)"
_ROWS = "use av.sum(av.nn.embedding_lookup(table, ids), axis)"
_NN = {
    "Linear": _LAYER,
    "Dense": _LAYER,
    "dense": _LAYER,
    "Module": _MODEL,
    "Sequential": "use av.layers.Sequential([...])",
    "Parameter": "use av.get_variable(name, shape) or av.Variable(x)",
    "functional": "the functions are in av.nn itself",
    "init": "use av.initializers",
    "CrossEntropyLoss": _ENTROPY,
    "CategoricalCrossentropy": _ENTROPY,
    "SparseCategoricalCrossentropy": _ENTROPY,
    "cross_entropy": _ENTROPY,
    "softmax_cross_entropy_with_logits": _ENTROPY,
    "softmax_cross_entropy_with_logits_v2": _ENTROPY,
    "sparse_softmax_cross_entropy_with_logits": _ENTROPY,
    "NLLLoss": "use av.nn.nll(log_probabilities, labels), or av.nn.softmax_cross_entropy(logits, labels)",
    "nll_loss": "use av.nn.nll(log_probabilities, labels), or av.nn.softmax_cross_entropy(logits, labels)",
    "sigmoid_cross_entropy_with_logits": _BINARY,
    "weighted_cross_entropy_with_logits": f"{_BINARY}; pos_weight= weighs what is true",
    "BCEWithLogitsLoss": _BINARY,
    "BinaryCrossentropy": _BINARY,
    "binary_cross_entropy_with_logits": _BINARY,
    "MultiLabelSoftMarginLoss": _BINARY,
    "multilabel_soft_margin_loss": _BINARY,
    "BCELoss": "use av.nn.binary_cross_entropy(probabilities, labels), or of logits av.nn.sigmoid_cross_entropy",
    "SoftMarginLoss": "use av.mean(av.nn.softplus(-labels * scores)) for labels of 1 and -1",
    "soft_margin_loss": "use av.mean(av.nn.softplus(-labels * scores)) for labels of 1 and -1",
    "sigmoid_focal_loss": "use av.nn.sigmoid_focal(logits, labels, alpha=0.25, gamma=2.0)",
    "BinaryFocalCrossentropy": "use av.nn.sigmoid_focal(logits, labels, alpha=None, gamma=2.0)",
    "KLDivLoss": _DIVERGENCE,
    "KLDivergence": _DIVERGENCE,
    "kl_div": _DIVERGENCE,
    "CTCLoss": "use av.nn.ctc_loss(logits, labels, input_lengths, label_lengths); logits are (time, batch, classes)",
    "MSELoss": "use av.nn.mse(prediction, target)",
    "MeanSquaredError": "use av.nn.mse(prediction, target)",
    "mse_loss": "use av.nn.mse(prediction, target)",
    "L1Loss": "use av.nn.mae(prediction, target)",
    "MeanAbsoluteError": "use av.nn.mae(prediction, target)",
    "l1_loss": "use av.nn.mae(prediction, target)",
    "HuberLoss": "use av.nn.huber(prediction, target, delta)",
    "huber_loss": "use av.nn.huber(prediction, target, delta)",
    "SmoothL1Loss": "use av.nn.smooth_l1(prediction, target, beta)",
    "smooth_l1_loss": "use av.nn.smooth_l1(prediction, target, beta)",
    "LogCosh": "use av.nn.log_cosh(prediction, target)",
    "PoissonNLLLoss": "use av.nn.poisson_nll(prediction, target)",
    "poisson_nll_loss": "use av.nn.poisson_nll(prediction, target)",
    "log_poisson_loss": "use av.nn.poisson_nll(log_rate, counts), the prediction first; full=True for the full loss",
    "GaussianNLLLoss": "use av.nn.gaussian_nll(prediction, target, variance)",
    "gaussian_nll_loss": "use av.nn.gaussian_nll(prediction, target, variance)",
    "hinge_loss": "use av.nn.hinge(scores, labels); labels are 1 and -1",
    "SquaredHinge": "use av.nn.squared_hinge(scores, labels); labels are 1 and -1",
    "MultiMarginLoss": "use av.nn.multi_margin(scores, labels)",
    "multi_margin_loss": "use av.nn.multi_margin(scores, labels)",
    "MarginRankingLoss": "use av.nn.margin_ranking(a, b, labels)",
    "margin_ranking_loss": "use av.nn.margin_ranking(a, b, labels)",
    "TripletMarginLoss": "use av.nn.triplet_margin(anchor, positive, negative)",
    "triplet_margin_loss": "use av.nn.triplet_margin(anchor, positive, negative)",
    "CosineSimilarity": "use av.nn.cosine_similarity(a, b, axis)",
    "CosineEmbeddingLoss": "use av.nn.cosine_embedding(a, b, labels)",
    "cosine_embedding_loss": "use av.nn.cosine_embedding(a, b, labels)",
    "cosine_distance": "use 1 - av.nn.cosine_similarity(a, b)",
    "Embedding": "use av.layers.Embedding(rows, units), or av.nn.embedding_lookup(table, ids)",
    "embedding": "use av.nn.embedding_lookup(table, ids)",
    "LayerNorm": "use av.layers.LayerNorm(), or av.nn.layer_norm(x, gamma, beta)",
    "Dropout": "use av.layers.Dropout(rate), or av.nn.dropout(x, rate, training=True)",
    "swish": "use av.nn.silu(x)",
    "logsumexp": "use av.logsumexp(x, axis)",
    "bias_add": "use x + b",
    "xw_plus_b": "use av.nn.linear(x, w, b)",
    "normalize": "use av.nn.l2_normalize(x, axis)",
    "static_rnn": _LOOP,
    "dynamic_rnn": _LOOP,
    "bidirectional_dynamic_rnn": _LOOP,
    "dot_product_attention": _ATTENTION,
    "Attention": _ATTENTION,
    "BatchNorm": _BATCH,
    "GroupNorm": "use av.layers.GroupNorm(groups), or av.nn.group_norm(x, groups, gamma, beta)",
    "RMSNorm": "use av.layers.RMSNorm(), or av.nn.rms_norm(x, gamma)",
    "RMSNormalization": "use av.nn.rms_norm(x, gamma)",
    "SpatialDropout2D": _CHANNELS,
    "Dropout2d": _CHANNELS,
    "dropout2d": _CHANNELS,
    "interpolate": _RESIZE,
    "Upsample": _RESIZE,
    "upsample": _RESIZE,
    "UpSampling2D": _RESIZE,
    "EmbeddingBag": _ROWS,
    "embedding_bag": _ROWS,
    "embedding_lookup_sparse": _ROWS,
    "crelu": "use av.nn.relu(av.concatenate([x, -x], axis=-1))",
    "hard_silu": "use av.nn.hardswish(x)",
}
_PREFIXES = {
    ("conv", "depthwise", "separable", "atrous"): _CONVOLUTION,
    ("maxpool", "avgpool", "max_pool", "avg_pool", "pool", "adaptive", "globalaverage", "averagepool"): _POOLING,
    ("lstm", "gru", "rnn", "simplernn"): _LOOP,
    ("multihead",): _ATTENTION,
    ("batch_norm", "batchnorm", "fused_batch"): _BATCH,
    ("instancenorm",): "use av.nn.instance_norm(x, gamma, beta)",
    ("resize",): _RESIZE,
}


_LOOP_OF_YOUR_OWN = "the training loop is yours: optim.Adam().minimize(loss_fn, layer.trainable_variables)"
_MODE = "there is no mode: say it in each call, layer(x, training=False)"
_FILE = "av.save(path, layer) and av.load(path, layer), once it was called"
ON_LAYERS = {
    "parameters": "use layer.trainable_variables, or layer.variables",
    "named_parameters": "use layer.variables: each has a name",
    "fit": _LOOP_OF_YOUR_OWN,
    "compile": f"{_LOOP_OF_YOUR_OWN}; av.function around a whole step makes it fast",
    "predict": "call it: layer(x)",
    "train": _MODE,
    "eval": _MODE,
    "summary": "use av.summary(layer)",
    "zero_grad": "there is nothing to reset: tape.gradient returns new gradients each time",
    "state_dict": _FILE,
    "load_state_dict": _FILE,
    "save": _FILE,
    "save_weights": _FILE,
    "load_weights": _FILE,
    "get_weights": "use [v.numpy() for v in layer.variables]",
    "set_weights": "use variable.assign(value) of each of layer.variables, or av.load",
}


class Absent:
    """In the place of an attribute that there is not: AttributeError, with the way to do it here. It may be set."""

    __slots__ = ("advice", "name")

    def __init__(self, name: str, advice: str):
        self.name, self.advice = name, advice

    def __get__(self, x: Any, cls: type | None = None) -> NoReturn:
        kind = (type(x) if cls is None else cls).__name__
        raise AttributeError(f"a {kind} has no {self.name!r}: {self.advice}.", name=self.name)


class Elsewhere(Absent):
    """As `Absent`, for what cannot be set, either: on Tensors and Variables.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.Tensor(1.0).unsqueeze
    Traceback (most recent call last):
    AttributeError: a Tensor has no 'unsqueeze': use av.expand_dims(x, axis).
    >>> hasattr(av.Tensor(1.0), "view"), "view" in dir(av.Tensor(1.0))
    (False, False)
    """

    __slots__ = ()

    def __set__(self, x: Any, value: Any) -> NoReturn:
        self.__get__(x)


def _names(x) -> list[str]:
    return [name for name in object.__dir__(x) if name not in _ATTRIBUTES]


for _name, _text in _ATTRIBUTES.items():
    if hasattr(Operand, _name):
        raise AssertionError(f"{_name} exists")
    install(_name, Elsewhere(_name, _text))
install("__dir__", partialmethod(_names))


def advice(name: str, names) -> str:
    """What the AttributeError for the missing name `name` of the package says.

    Examples
    --------
    >>> advice("placeholder", [])
    "autograd_vs has no 'placeholder': pass arrays to a Python function: `def step(x, y): ...`."
    """
    if name in _ADVICE:
        return f"autograd_vs has no {name!r}: {_ADVICE[name]}."
    if name in _CONSTANTS:
        return f"autograd_vs has no {name!r}: use np.{name}, {_PLAIN}."
    if name.endswith("_initializer"):
        from . import initializers

        known = name.removesuffix("_initializer")
        where = (
            f"use av.initializers.{known}" if known in initializers.__all__ else "initializers are in av.initializers"
        )
        return f"autograd_vs has no {name!r}: {where}."
    kind = getattr(np, name, None) if not name.startswith("_") else None
    if isinstance(kind, type) and issubclass(kind, np.generic):
        return f"autograd_vs has no {name!r}: {_DTYPES}: np.{name}, {kind.__name__!r}."
    return _without("autograd_vs", name, None, names)


def nn_advice(name: str, names) -> str:
    """What the AttributeError for the missing name `name` of `av.nn` says.

    Examples
    --------
    >>> nn_advice("LogSigmoid", ["log_sigmoid"])
    "autograd_vs.nn has no 'LogSigmoid': use the function av.nn.log_sigmoid."
    """
    text = _NN.get(name)
    low = name.lower()
    if text is None:  # LogSigmoid, hard_tanh: the same letters
        found = {n.replace("_", ""): n for n in names}.get(low.replace("_", ""))
        text = None if found is None else f"use the function av.nn.{found}"
    if text is None:
        text = next((words for starts, words in _PREFIXES.items() if low.startswith(starts)), None)
    return _without("autograd_vs.nn", name, text, names)


_RNN = "write av.layers.RNN(av.layers.{}(units))"
_DENSE = "write av.layers.Dense(units): the number of inputs is that of the first call"
_LAYER = "write a class under av.layers.Layer, with `build` and `call`"
_FUNCTION = "a step of Sequential may be a function: write av.nn.{}"
_LAYERS = {
    "Linear": _DENSE, "LazyLinear": _DENSE,
    "LSTM": _RNN.format("LSTMCell"), "GRU": _RNN.format("GRUCell"), "SimpleRNN": _RNN.format("SimpleRNNCell"),
    "RNNCell": "write av.layers.SimpleRNNCell", "LayerNormalization": "write av.layers.LayerNorm",
    "BatchNormalization": "write av.layers.BatchNorm", "SyncBatchNorm": "write av.layers.BatchNorm",
    "GlobalAveragePooling2D": "write av.layers.GlobalAvgPool", "AdaptiveAvgPool2d": "write av.layers.GlobalAvgPool",
    "batch_normalization": "write av.layers.batch_norm", "max_pooling2d": "write av.layers.max_pool2d",
    "average_pooling2d": "write av.layers.avg_pool2d",
    "MaxPooling2D": "write av.layers.MaxPool2D", "AveragePooling2D": "write av.layers.AvgPool2D",
    "Module": _LAYER, "Model": _LAYER,
    "ModuleList": "a list in an attribute will do: the layers in it belong to the layer",
    "Activation": _FUNCTION.format("relu"), "ReLU": _FUNCTION.format("relu"), "GELU": _FUNCTION.format("gelu"),
    "Tanh": _FUNCTION.format("tanh"), "Sigmoid": _FUNCTION.format("sigmoid"), "Softmax": _FUNCTION.format("softmax"),
    "Input": "there is none: shapes are those of the first call",
    "Concatenate": "write av.concatenate(arrays, axis=-1)", "Add": "write x + y", "Lambda": "a function will do",
}  # fmt: skip


def layers_advice(name: str, names) -> str:
    """What the AttributeError for the missing name `name` of `av.layers` says.

    Examples
    --------
    >>> layers_advice("Conv2d", ["Conv2D"])
    "autograd_vs.layers has no 'Conv2d': write av.layers.Conv2D."
    """
    text = _LAYERS.get(name)
    if text is None:  # BatchNorm2d, Conv2d: the same letters, perhaps without the dimensions
        known = {n.lower(): n for n in reversed(names)}
        low = name.lower()
        found = known.get(low) or known.get(low.rstrip("d").rstrip("123"))
        text = None if found is None else f"write av.layers.{found}"
    return _without("autograd_vs.layers", name, text, names)


def _without(home: str, name: str, text: str | None, names) -> str:
    """That `home` has no `name`: with what to write here, or else with names that are close."""
    if text is not None:
        return f"{home} has no {name!r}: {text}."
    from .base.errors import close_names

    near = "" if name.startswith("_") else close_names(name, names)
    return f"module '{home}' has no attribute {name!r}.{near}"


def missing(name: str, package: ModuleType) -> AttributeError:
    """The error for a name that the package does not have, with the way to do it here."""
    names = {n for n in vars(package) if not n.startswith("_")} | set(package.__all__)
    return AttributeError(advice(name, sorted(names)), name=name)
