"""The errors that users meet: code that raises each, why, and what to do. `docs/make_errors.py` makes a page of it.

Each snippet runs by itself, in a store of its own; `fix`, where there is one, goes on behind it and does not raise.
"""

import os
import tempfile
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import numpy as np

import autograd_vs as av
import optim


@dataclass
class Case:
    """One error: the last line of `code` raises it."""

    title: str
    code: str
    why: str
    fix: str = ""


def message(case: Case) -> str:
    """What `case.code` raises, as a traceback ends; AssertionError if it does not. Then `case.fix` is run."""
    names = {"np": np, "av": av, "optim": optim}
    found, here = "", os.getcwd()
    quiet = redirect_stdout(StringIO())
    with tempfile.TemporaryDirectory() as folder, av.VariableStore(seed=0), warnings.catch_warnings(), quiet:
        warnings.simplefilter("error")
        os.chdir(folder)
        try:
            try:
                exec(compile(case.code.strip(), "train.py", "exec"), names)
            except Exception as error:
                found = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
            if case.fix:
                exec(compile(case.fix.strip(), "train.py", "exec"), names)
        finally:
            os.chdir(here)
    assert found, f"this raises nothing any more:\n{case.code}"
    return found


SECTIONS = {
    "Scopes and names": [
        Case(
            "A variable exists already",
            """
for step in range(2):
    w = av.get_variable("w", (3, 2))
""",
            "`get_variable` without `reuse` makes a variable, and there is one of this name in the store: the "
            "function that asks for it ran twice, or a cell of a notebook did. Sharing is never by accident.",
            """
with av.variable_scope("", reuse=av.AUTO_REUSE):  # share what is there, make what is not
    w = av.get_variable("w", (3, 2))
with av.variable_scope("net", reuse=av.REBUILD):  # a cell that is run again: begin anew
    w = av.get_variable("w", (3, 2))
with av.VariableStore():  # variables of their own
    w = av.get_variable("w", (3, 2))
""",
        ),
        Case(
            "A variable does not exist",
            """
with av.variable_scope("encoder"):
    w = av.get_variable("kernel", (3, 2))
with av.variable_scope("encoder", reuse=True):
    w = av.get_variable("kernels", (3, 2))
""",
            "With `reuse=True` nothing is made: what is asked for must be there. Mostly it is a typing error, or "
            "another scope than one believes.",
        ),
        Case(
            "Another shape than the variable has",
            """
w = av.get_variable("w", (3, 2))
with av.variable_scope("", reuse=True):
    w = av.get_variable("w", (2, 3))
""",
            "Two places ask for one name, and do not mean the same. Give one of them a scope of its own, or leave "
            "the shape out where an existing variable is meant.",
        ),
        Case(
            "No shape for a new variable",
            """
w = av.get_variable("w")
""",
            "A variable that exists is found by its name alone; one that is to be made needs a shape, or an array as "
            "initializer.",
            """
w = av.get_variable("w", initializer=np.zeros((3, 2), np.float32))
""",
        ),
        Case(
            "An initializer by its name",
            """
w = av.get_variable("w", (3, 2), initializer="zeros")
""",
            "Initializers are functions here, never strings.",
            """
w = av.get_variable("w", (3, 2), initializer=av.initializers.zeros)
""",
        ),
        Case(
            "A name that cannot be one",
            """
w = av.get_variable("my weight", (3, 2))
""",
            "Names are parts of paths, keys in checkpoints and words in plots; so TensorFlow's rules hold for them.",
        ),
        Case(
            "A variable that is not in the store",
            """
w = av.get_variable("w", (3, 2))
av.current_store()["v"]
""",
            "A store is a mapping from full names to variables; `store.variables()` lists them, and "
            "`av.current_store()` is the innermost `with av.VariableStore()`.",
        ),
    ],
    "Tapes": [
        Case(
            "The tape is used up",
            """
x = av.Variable(3.0)
with av.GradientTape() as tape:
    y = x * x
tape.gradient(y, x)
tape.gradient(y, x)
""",
            "A tape lets go of what it recorded at the first `gradient`, so that memory is free at once. In a "
            "notebook: the cell with `gradient` was run twice, the one with the tape once.",
            """
with av.GradientTape(persistent=True) as tape:
    y = x * x
tape.gradient(y, x), tape.gradient(y, x)
""",
        ),
        Case(
            "The target was not computed inside of the tape",
            """
x = av.Variable(3.0)
with av.GradientTape() as tape:
    y = x * x
tape.gradient(y.numpy(), x)
""",
            "A NumPy array or a float has no history. Hand the Tensor itself to `gradient`; `numpy()` and `item()` "
            "are for printing.",
        ),
        Case(
            "A source that is no Tensor or Variable",
            """
x = np.array([1.0, 2.0])
with av.GradientTape() as tape:
    y = av.sum(x * x)
tape.gradient(y, x)
""",
            "Operations of NumPy on NumPy's arrays are not recorded: nobody tells the tape about them.",
            """
x = av.Tensor(x)
with av.GradientTape() as tape:
    tape.watch(x)
    y = av.sum(x * x)
tape.gradient(y, x)
""",
        ),
        Case(
            "An array is watched",
            """
with av.GradientTape() as tape:
    tape.watch(np.ones(3))
""",
            "The same, at `watch`.",
        ),
        Case(
            "Integers are watched",
            """
with av.GradientTape() as tape:
    tape.watch(av.Tensor([1, 2, 3]))
""",
            "Integers have no derivatives. Write `[1.0, 2.0, 3.0]`, or `x.astype(float)`.",
        ),
        Case(
            "`watch` behind the tape",
            """
x = av.Tensor([1.0, 2.0])
with av.GradientTape() as tape:
    y = x * x
tape.watch(x)
""",
            "What is watched is recorded from then on; afterwards is too late.",
        ),
        Case(
            "`grad` of something that is no scalar",
            """
av.grad(lambda x: x * x)(np.array([1.0, 2.0]))
""",
            "A gradient is that of one number. For several outputs take their sum, or `av.jacobian`, or `av.vjp` "
            "with a direction.",
        ),
        Case(
            "`grad` at an integer",
            """
av.grad(lambda x: x * x)(2)
""",
            "Write 2.0.",
        ),
    ],
    "NumPy and Tensors": [
        Case(
            "The gradient would be dropped",
            """
x = av.Variable([1.0, 2.0])
with av.GradientTape() as tape:
    y = np.asarray(x * x)
""",
            "`np.asarray`, `np.array`, `float`, `math.exp`, assigning into a NumPy array: these ways out of NumPy's "
            "protocols give plain numbers, and the gradient would be gone without a word. While a tape records this "
            "raises.",
            """
with av.GradientTape() as tape:
    y = x * x  # it is an array for all of NumPy's functions
    print(y.numpy())  # a look at the values, when no gradient is wanted
""",
        ),
        Case(
            "A float of a Tensor",
            """
x = av.Variable(1.0)
with av.GradientTape() as tape:
    y = float(x * x)
""",
            "As above: `y.item()` says that no gradient is wanted.",
        ),
        Case(
            "A function without a gradient",
            """
np.fill_diagonal(av.Tensor(np.ones((2, 2))), 0.0)
""",
            "Refused by name, at the call. [The table of coverage](coverage.md) has all of NumPy's functions; a "
            "gradient of your own is `av.custom_gradient`.",
        ),
        Case(
            "`t[i] = v`",
            """
t = av.Tensor([1.0, 2.0, 3.0])
t[0] = 5.0
""",
            "A Tensor never changes: what was computed from it would be wrong.",
            """
t = t.at[0].set(5.0)
""",
        ),
        Case(
            "`v += x` of a Variable",
            """
v = av.Variable([1.0, 2.0])
v += 1.0
""",
            "In Python this would make a Tensor and give it the variable's name; the Variable would be lost.",
            """
v.assign_add(np.ones(2))
""",
        ),
        Case(
            "`v[i] = x` of a Variable",
            """
v = av.Variable([1.0, 2.0])
v[0] = 5.0
""",
            "Values of a Variable change by `assign`, of which tapes know.",
            """
v.assign(v.at[0].set(5.0))
""",
        ),
        Case(
            "A list of Tensors",
            """
x = av.Variable(1.0)
with av.GradientTape() as tape:
    y = np.exp([x * x, x + 1.0])
""",
            "NumPy would make an array of objects of it.",
            """
with av.GradientTape() as tape:
    y = np.exp(av.stack([x * x, x + 1.0]))
""",
        ),
        Case(
            "`out=` into an array",
            """
x, buffer = av.Tensor([1.0, 2.0]), np.zeros(2)
np.add(x, 1.0, out=buffer)
""",
            "Nobody records what is written into a NumPy array.",
        ),
        Case(
            "The truth value of several numbers",
            """
t = av.Tensor([1.0, -1.0])
if t > 0:
    pass
""",
            "As in NumPy: say `.any()` or `.all()`, or choose by element with `av.where`.",
        ),
    ],
    "Variables": [
        Case(
            "A value of another shape is assigned",
            """
v = av.Variable(np.zeros((3, 2)), name="v")
v.assign(np.zeros((2, 3)))
""",
            "The shape of a variable is fixed when it is made.",
        ),
        Case(
            "A value of another kind is assigned",
            """
v = av.Variable([1.0, 2.0], name="v")
v.assign(np.fft.fft([1.0, 2.0]))
""",
            "Complex numbers do not fit into a variable of real ones: take `.real` or `abs`, or make the variable "
            "complex.",
        ),
    ],
    "Optimizers": [
        Case(
            "All gradients are None",
            """
v = av.Variable([1.0, 2.0], name="v")
with av.GradientTape() as tape:
    loss = av.sum(av.floor(v))
optim.SGD(0.1).apply_gradients([(tape.gradient(loss, v), v)])
""",
            "The loss does not depend on any of the variables, as far as the tape knows: it was computed outside of "
            "the tape, through `numpy()`, from integers, behind `stop_gradient` or a step function, or from other "
            "variables.",
            """
with av.GradientTape() as tape:
    loss = av.sum(av.floor(v))
    print(tape.explain(loss, v))
""",
        ),
        Case(
            "A number instead of a function",
            """
v = av.Variable([1.0, 2.0], name="v")
optim.SGD(0.1).minimize(av.sum(v * v), [v])
""",
            "`minimize` opens the tape, so it must be what calls the function.",
            """
optim.SGD(0.1).minimize(lambda: av.sum(v * v), [v])
""",
        ),
        Case(
            "Pairs the wrong way round",
            """
v = av.Variable([1.0, 2.0], name="v")
optim.SGD(0.1).apply_gradients([(v, np.ones(2))])
""",
            "Pairs are (gradient, variable): `zip(tape.gradient(loss, variables), variables)`.",
        ),
        Case(
            "A gradient for a frozen variable",
            """
v = av.Variable([1.0, 2.0], name="v", trainable=False)
optim.SGD(0.1).apply_gradients([(np.ones(2, np.float32), v)])
""",
            "Frozen variables are not updated in silence, and not skipped in silence. Ask for the gradients of "
            "`av.trainable_variables()`.",
        ),
        Case(
            "A variable occurs twice",
            """
v = av.Variable([1.0, 2.0], name="v")
g = np.ones(2, np.float32)
optim.SGD(0.1).apply_gradients([(g, v), (g, v)])
""",
            "It would be updated twice, with two steps of momentum. A shared variable is listed once, and the tape "
            "adds up the gradients of all its uses.",
        ),
        Case(
            "Two variables of one name",
            """
adam = optim.Adam()
for run in range(2):
    with av.VariableStore():
        v = av.get_variable("v", (2,))
    adam.apply_gradients([(np.ones(2, np.float32), v)])
""",
            "An optimizer knows variables by name. This one was used for a model of an earlier run of a cell: make the "
            "optimizer in the cell that makes the model, or start the slots anew.",
            """
adam.reset("v")
adam.apply_gradients([(np.ones(2, np.float32), v)])
""",
        ),
        Case(
            "An argument with another library's name",
            """
optim.Adam(lr=0.1)
""",
            "The names are Keras's, the formulas PyTorch's; the error says how it is called here.",
        ),
        Case(
            "L-BFGS wants the loss",
            """
v = av.Variable([1.0, 2.0], name="v")
optim.LBFGS().apply_gradients([(np.ones(2, np.float32), v)])
""",
            "A line search evaluates the loss at several points.",
        ),
    ],
    "Checkpoints": [
        Case(
            "The file does not fit the model",
            """
with av.VariableStore() as store:
    av.get_variable("old/kernel", (3, 2))
av.save("model.safetensors", store)
with av.VariableStore() as store:
    av.get_variable("new/kernel", (3, 2))
av.load("model.safetensors", store)
""",
            "By default all must fit, and nothing was changed. `rename=` maps names, `scope=` takes a part, "
            "`strict=False` loads what fits and reports the rest.",
            """
print(av.load("model.safetensors", store, rename={"old/": "new/"}))
""",
        ),
        Case(
            "The state of another optimizer",
            """
v = av.Variable([1.0, 2.0], name="v")
adam = optim.Adam()
adam.apply_gradients([(np.ones(2, np.float32), v)])
optim.SGD(0.1, momentum=0.9).load_state_dict(adam.state_dict())
""",
            "The slots of one rule mean nothing to another.",
        ),
    ],
    "Functions that are traced": [
        Case(
            "A decision by a value",
            """
@av.function
def relu(x):
    if x > 0:
        return x
    return x * 0.0


relu(av.Tensor(1.0))
""",
            "A plan holds for all values, so nothing may be decided by those of the first call.",
            """
@av.function
def relu(x):
    return av.cond(x > 0, lambda x: x, lambda x: x * 0.0, x)


relu(av.Tensor(1.0)), relu(av.Tensor(-1.0))
""",
        ),
        Case(
            "A Tensor that was kept from a trace",
            """
kept = []


@av.function
def double(x):
    kept.append(x * 2.0)
    return kept[0]


double(av.Tensor(1.0))
kept[0].numpy()
""",
            "What a traced function leaves behind elsewhere are the names of places in its plan. Return what is "
            "wanted outside.",
        ),
        Case(
            "Many plans",
            """
@av.function
def scaled(x, n):
    return x * n


for n in range(20):
    scaled(av.Tensor(1.0), n)
""",
            "A Python value other than a float is part of the program, and each one has a plan of its own. Hand over "
            "floats, or arrays.",
            """
for n in range(20):
    scaled(av.Tensor(1.0), float(n))
""",
        ),
    ],
    "Layers": [
        Case(
            "`training=` is missing",
            """
drop = av.layers.Dropout(0.5)
drop(np.ones((2, 3), np.float32))
""",
            "There is no mode that somebody could forget to set: each call says what it is.",
            """
drop(np.ones((2, 3), np.float32), training=True)
""",
        ),
        Case(
            "Another number of features than at the first call",
            """
dense = av.layers.Dense(4)
dense(np.ones((2, 3), np.float32))
dense(np.ones((2, 5), np.float32))
""",
            "The variables were made for the shape of the first call.",
        ),
        Case(
            "A layer of the same name",
            """
x = np.ones((2, 3), np.float32)
av.layers.dense(x, 4, name="fc")
av.layers.dense(x, 4, name="fc")
""",
            "As with `get_variable`: sharing is said, with a scope that reuses, or by calling one `Dense` twice.",
            """
fc = av.layers.Dense(4)
fc(x), fc(x)
""",
        ),
    ],
    "Arrays and batches": [
        Case(
            "Shapes that do not go together",
            """
x, w = av.Tensor(np.ones((5, 4))), av.Variable(np.ones((3, 2)), name="w")
x @ w
""",
            "NumPy's own words: what is computed is NumPy's. `av.function`'s plans and layers say more of where it "
            "was.",
        ),
        Case(
            "An id that is no row",
            """
table = av.get_variable("table", (10, 3))
av.nn.embedding_lookup(table, np.array([3, 10]))
""",
            "Rows are counted from 0. On a GPU the same check is made, where the library below would wrap around in "
            "silence.",
        ),
        Case(
            "Arrays of different lengths",
            """
av.data.batches((np.ones((100, 2)), np.ones(99)), 10)
""",
            "Features and labels belong together row by row.",
        ),
    ],
    "Names of other libraries": [
        Case(
            "TensorFlow 1",
            """
av.placeholder("float32", (None, 3))
""",
            "There are no graphs and no sessions; many names of TensorFlow's and PyTorch's have such an answer.",
        ),
        Case(
            "PyTorch",
            """
x = av.Variable(3.0)
with av.GradientTape() as tape:
    y = x * x
y.backward()
""",
            "Gradients come from the tape, and are returned: nothing is stored in variables, so there is nothing to "
            "set to zero.",
            """
tape.gradient(y, x)
""",
        ),
    ],
    "Devices": [
        Case(
            "A device that is none",
            """
with av.device("cuda"):
    pass
""",
            "Devices are 'cpu', 'gpu:0', 'gpu:1'; `av.devices()` lists those of this machine.",
        ),
    ],
    "Gradients of your own": [
        Case(
            "Too few gradients",
            """
@av.custom_gradient
def product(a, b):
    return a * b, lambda g: g * b


with av.GradientTape() as tape:
    a, b = av.Tensor(2.0), av.Tensor(3.0)
    tape.watch([a, b])
    y = product(a, b)
tape.gradient(y, [a, b])
""",
            "The gradient function returns one gradient for each argument.",
            """
@av.custom_gradient
def product(a, b):
    return a * b, lambda g: (g * b, g * a)
""",
        ),
        Case(
            "Variables that are read on the way",
            """
w = av.Variable(2.0, name="w")


@av.custom_gradient
def scaled(x):
    return x * w, lambda g: g * w


with av.GradientTape() as tape:
    y = scaled(av.Tensor(np.float32(3.0)))
""",
            "The gradient of `w` would be lost. Make it an argument, or take `variables=`.",
        ),
    ],
    "Numbers that go wrong": [
        Case(
            "The first NaN",
            """
with np.errstate(invalid="ignore"), av.debug.check_numerics():
    x = av.Variable([1.0, -1.0], name="x")
    with av.GradientTape() as tape:
        y = av.sum(av.log(x))
""",
            "`check_numerics` says where the first one came up; mostly it is a logarithm, a root, a division or an "
            "exponential. Keep the argument away from the edge, `av.log(av.maximum(x, 1e-6))`, or take the function "
            "that is stable: `av.logsumexp`, `av.nn.log_softmax`, `av.nn.softmax_cross_entropy`.",
        ),
    ],
    "Warnings": [
        Case(
            "Some gradients are None",
            """
a, b = av.Variable(1.0, name="a"), av.Variable(1.0, name="b")
with av.GradientTape() as tape:
    loss = a * a
optim.SGD(0.1).apply_gradients(zip(tape.gradient(loss, [a, b]), [a, b]))
""",
            "Often one has forgotten a part of the model. Where it is meant, ask for the gradients of fewer "
            "variables, or `warnings.filterwarnings('ignore', category=av.PartialGradientWarning)`.",
        ),
        Case(
            "float32 becomes float64",
            """
w = av.Variable([1.0, 2.0], name="w")
with av.GradientTape() as tape:
    y = w * np.random.default_rng(0).normal(size=2)
""",
            "NumPy's generators give float64, and NumPy promotes: all that follows takes twice the memory and time. "
            "Convert the data once.",
            """
with av.GradientTape() as tape:
    y = w * np.random.default_rng(0).normal(size=2).astype(np.float32)
""",
        ),
    ],
}


if __name__ == "__main__":
    for cases in SECTIONS.values():
        for case in cases:
            print(case.title, message(case), sep="\n", end="\n\n")
