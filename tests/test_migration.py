"""What users of other libraries look for is an AttributeError that says what to write here."""

import copy
import inspect
import pickle
import re
import traceback

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs import _migration
from autograd_vs.engine.protocol import Operand

BOTH = (lambda: av.Tensor([1.0, 2.0]), lambda: av.Variable([1.0, 2.0]))


def is_answered(home, name, words):
    """The module has no such name, and says what to write."""
    with pytest.raises(AttributeError) as error:
        getattr(home, name)
    assert str(error.value).startswith(f"{home.__name__} has no {name!r}: ") and words in str(error.value)


@pytest.mark.parametrize("make", BOTH, ids=["Tensor", "Variable"])
@pytest.mark.parametrize(
    "name, words",
    {
        "grad": "tape.gradient", "backward": "tape.gradient", "detach": "av.stop_gradient", "cpu": "x.to(",
        "cuda": "x.to(", "requires_grad": "tape.watch", "view": "x.reshape", "unsqueeze": "av.expand_dims",
        "permute": "x.transpose", "clone": "x.copy()", "data": "x.numpy()", "value": "the Variable itself",
        "read_value": "variable + 0", "eval": "no session", "get_shape": "x.shape", "exp": "av.exp",
    }.items(),
)  # fmt: skip
def test_attributes_that_others_have(make, name, words):
    x = make()
    with pytest.raises(AttributeError) as error:
        getattr(x, name)
    message = str(error.value)
    assert message.startswith(f"a {type(x).__name__} has no {name!r}: ") and words in message and message.endswith(".")
    assert error.value.name == name
    with pytest.raises(AttributeError, match=f"has no '{name}'"):
        setattr(x, name, None)  # w.grad = None
    assert not hasattr(x, name) and name not in dir(x) and not hasattr(type(x), name)


def test_what_exists_is_not_covered():
    for name in _migration._ATTRIBUTES:
        assert isinstance(vars(Operand)[name], _migration.Elsewhere)
        assert name not in vars(av.Tensor) and name not in vars(av.Variable)
    for table, module in ((_migration._ADVICE, av), (_migration._NN, av.nn)):
        assert not [name for name in table if name in vars(module)]
    assert not [name for name in _migration._CONSTANTS if name in vars(av) or not hasattr(np, name)]
    assert "__getattr__" not in vars(Operand)  # it would slow down each attribute that is there


@pytest.mark.parametrize("make", BOTH, ids=["Tensor", "Variable"])
def test_probes_get_plain_answers(make):
    x = make()
    for name in ("__array_interface__", "__array_struct__", "__cuda_array_interface__", "__nothing__", "nothing"):
        assert not hasattr(x, name)
        with pytest.raises(AttributeError, match=f"object has no attribute '{name}'"):
            getattr(x, name)
    assert hasattr(x, "settle") == hasattr(x, "assign") == isinstance(x, av.Variable)
    for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.numpy().tolist() == [1, 2]
    assert np.asarray(x).tolist() == [1, 2] and np.sum(x).item() == 3
    with pytest.raises(AttributeError) as error:
        x.bakward  # noqa: B018
    assert "backward" not in "".join(traceback.format_exception(error.value)).partition("Error:")[2]


@pytest.mark.parametrize(
    "name, words",
    {
        "no_grad": "tape.stop_recording()", "tensor": "av.asarray", "zeros": "use np.zeros", "ones": "use np.ones",
        "array": "np.array", "float32": "np.float32, 'float32'", "int64": "'int64'", "bool_": "'bool'",
        "keras": "package optim", "zeros_initializer": "av.initializers.zeros",
        "truncated_normal_initializer": "av.initializers.truncated_normal", "eye": "np.eye", "arange": "np.arange",
        "uniform_unit_scaling_initializer": "are in av.initializers", "manual_seed": "av.random.set_seed",
        "jit": "use av.function", "compile": "use av.function", "lax": "av.while_loop",
    }.items(),
)  # fmt: skip
def test_names_of_the_package(name, words):
    is_answered(av, name, words)


@pytest.mark.parametrize(
    "name, words",
    {
        "Linear": "av.nn.linear(x, w, b)", "Conv2d": "the function av.nn.conv2d",
        "MaxPool2d": "av.nn.max_pool2d", "GlobalAveragePooling2D": "adaptive_avg_pool2d",
        "LSTM": "a Python loop over a cell", "BatchNorm1d": "av.nn.batch_norm_train",
        "LSTMCell": "the function av.nn.lstm_cell", "GRUCell": "the function av.nn.gru_cell", "rnn_cell": "loop",
        "MultiheadAttention": "av.nn.scaled_dot_product_attention", "batch_normalization": "av.nn.batch_norm(",
        "GroupNorm": "av.nn.group_norm(x, groups", "InstanceNorm2d": "av.nn.instance_norm",
        "RMSNorm": "av.nn.rms_norm", "LogSigmoid": "the function av.nn.log_sigmoid",
        "hard_tanh": "the function av.nn.hardtanh", "Softmin": "av.nn.softmin", "normalize": "av.nn.l2_normalize",
        "interpolate": "av.nn.resize", "resize_bilinear": "av.nn.resize", "Dropout2d": "noise_shape=",
        "AlphaDropout": "av.nn.alpha_dropout", "OneHot": "the function av.nn.one_hot",
        "EmbeddingBag": "av.nn.embedding_lookup", "ReLU": "the function av.nn.relu",
        "CrossEntropyLoss": "av.nn.softmax_cross_entropy",
        "softmax_cross_entropy_with_logits": "av.nn.softmax_cross_entropy", "Tanh": "av.nn.tanh",
        "functional": "av.nn itself", "BCEWithLogitsLoss": "av.nn.sigmoid_cross_entropy", "conv": "av.nn.conv2d(",
        "atrous_conv2d": "av.nn.conv2d(", "sigmoid_cross_entropy_with_logits": "reduction='mean'",
        "weighted_cross_entropy_with_logits": "pos_weight=",
        "BCELoss": "av.nn.binary_cross_entropy(probabilities, labels)", "NLLLoss": "av.nn.nll(log_probabilities",
        "cross_entropy": "ignore=", "KLDivLoss": "p is the target", "kl_div": "logs=True", "L1Loss": "av.nn.mae",
        "smooth_l1_loss": "av.nn.smooth_l1(prediction, target, beta)", "HuberLoss": "av.nn.huber(",
        "TripletMarginLoss": "av.nn.triplet_margin(", "CTCLoss": "(time, batch, classes)",
        "LogCosh": "av.nn.log_cosh", "CosineSimilarity": "av.nn.cosine_similarity(", "hinge_loss": "1 and -1",
        "Hinge": "av.nn.hinge", "Huber": "av.nn.huber", "log_poisson_loss": "the prediction first",
        "sigmoid_focal_loss": "av.nn.sigmoid_focal(",
    }.items(),
)  # fmt: skip
def test_names_of_nn(name, words):
    is_answered(av.nn, name, words)


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "Linear": "av.layers.Dense(units)", "Conv2d": "av.layers.Conv2D", "BatchNorm2d": "av.layers.BatchNorm",
        "BatchNormalization": "av.layers.BatchNorm", "MaxPool2d": "av.layers.MaxPool2D", "Module": "av.layers.Layer",
        "LSTM": "av.layers.RNN(av.layers.LSTMCell(units))", "ReLU": "av.nn.relu", "ModuleList": "a list",
        "MultiheadAttention": "av.layers.MultiHeadAttention", "Concatenate": "av.concatenate(",
    }.items(),
)  # fmt: skip
def test_names_of_layers(name, words):
    is_answered(av.layers, name, words)


def test_advice_about_layers_names_what_there_is():
    for name, text in _migration._LAYERS.items():
        assert name not in av.layers.__all__
        for home, used in re.findall(r"av\.(layers|nn)\.(\w+)", text):
            assert used in getattr(av, home).__all__, f"{name}: {used}"
    with pytest.raises(AttributeError, match="Did you mean 'Dropout'"):
        av.layers.Dropuot  # noqa: B018
    assert not hasattr(av.layers, "__nothing__")


def test_near_names_of_nn():
    with pytest.raises(AttributeError, match="Did you mean 'softmax'"):
        av.nn.sofmax  # noqa: B018
    assert not hasattr(av.nn, "__nothing__")
    for name in ("binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"):
        with pytest.raises(AttributeError, match="sigmoid_cross_entropy"):
            getattr(av.nn, name)


def test_advice_about_losses_is_right():
    """What the advice says in formulas, and in names of options."""
    x, labels = np.array([-2.0, 0.5, 3.0]), np.array([0.0, 1.0, 1.0])
    by_hand = -np.mean(labels * np.log(1 / (1 + np.exp(-x))) + (1 - labels) * np.log(1 / (1 + np.exp(x))))
    np.testing.assert_allclose(av.nn.sigmoid_cross_entropy(x, labels, reduction="mean").numpy(), by_hand)
    np.testing.assert_allclose(av.mean(av.nn.softplus(-(2 * labels - 1) * x)).numpy(), by_hand)
    for name, text in _migration._NN.items():
        for used in re.findall(r"av\.nn\.(\w+)", text):
            assert used in av.nn.__all__, f"{name}: {used}"
    options = inspect.signature(av.nn.softmax_cross_entropy).parameters
    assert {"class_weights", "label_smoothing", "ignore", "reduction"} <= set(options)


@pytest.mark.parametrize("name", _migration.ON_LAYERS)
def test_attributes_of_layers_elsewhere(name):
    layer = av.layers.Dense(2)
    with pytest.raises(AttributeError, match=f"^a Dense has no '{name}': "):
        getattr(layer, name)
    assert not hasattr(layer, name) and name not in dir(layer)
    setattr(layer, name, 3)  # layers of one's own have what they like
    assert getattr(layer, name) == 3 and name in dir(layer)


def test_a_number_of_inputs_is_no_activation():
    with pytest.raises(ValueError, match=r"got 3\. The number of inputs is not said"):
        av.layers.Dense(4, 3)


def test_forward_is_called_call_here():
    class Net(av.layers.Layer):
        def forward(self, x):
            return x

    with av.VariableStore(), pytest.raises(NotImplementedError, match="rename `forward`"):
        Net()(np.ones(2))


@pytest.mark.parametrize("name", optim.advice.ON_OPTIMIZERS)
def test_attributes_of_optimizers_elsewhere(name):
    optimizer = optim.Adam()
    with pytest.raises(AttributeError, match=f"^Adam has no '{name}': "):
        getattr(optimizer, name)
    assert not hasattr(optimizer, name) and name not in dir(optimizer)


def test_the_rate_cannot_be_set_by_a_name_that_nobody_reads():
    with pytest.raises(AttributeError, match=r"write optimizer.learning_rate"):
        optim.Adam().lr = 0.5


def test_gradients_alone_are_no_pairs():
    w = av.Variable(1.0)
    with av.GradientTape() as tape:
        loss = w * w
    with pytest.raises(TypeError, match=r"takes pairs .*got Tensors alone"):
        optim.SGD(0.1).apply_gradients(tape.gradient(loss, [w]))


def test_a_variable_that_became_a_tensor_is_explained():
    w = av.Variable([1.0, 2.0])
    w = w - 0.1
    with av.GradientTape() as tape:
        loss = av.sum(w * w)
    assert "write v.assign_sub(g)" in tape.explain(loss, w)
