"""Adding an op: the formula, the declaration, the check. Run it: `python docs/examples/add_an_op.py`.

In the package this is one entry in the file of its family (`autograd_vs/ops/`): the tests, the table `docs/ops.md` and
NumPy's protocols find it through the registry. For a function of your own, outside of the package, use
`av.custom_gradient`, which is shown at the end.
"""

import numpy as np

import autograd_vs as av
from autograd_vs.engine.declare import primitive
from autograd_vs.engine.samples import Sample, arrays, elementwise

# The rule of an argument: `g` is the gradient of the output, and the names after it say what to save (an argument's
# name the argument, `y` the output, `x_shape` only a shape, an attribute's name the attribute). It must be linear in
# `g`, and written with operators, methods and ufuncs: then one formula serves NumPy, another array library, and the
# Tensors of second derivatives. Constants are Python numbers, so that float32 stays float32. Broadcasting is undone
# elsewhere.


def _bump_rule(g, x, y, width):
    return g * y * (x * (-2.0 / width**2))


# The forward gets bare arrays: the array arguments first, then the attributes. The samples are what the tests run over:
# 2-D, 0-d, empty, non-contiguous; `cut=` in `elementwise` keeps them away from kinks and poles.
@primitive(
    vjp={"x": _bump_rule},
    elementwise=True,
    samples=lambda: [*elementwise()(), Sample(arrays((2, 3)), 0.5)],
)
def bump(x, width=1.0):
    """A bell, ``exp(-(x / width)**2)``."""
    return np.exp(-((x / width) ** 2))


# A NumPy function would be the first argument (`@primitive(np.sinc, ...)`): then `np.sinc(tensor)` is recorded, too. A
# ufunc needs no forward at all: `op(np.tanh, vjp={"x": lambda g, y: g * (1.0 - y * y)}, samples=elementwise(-3, 3))`.

# Outside of the package: the same function with a gradient of its own.


@av.custom_gradient
def own_bump(x):
    """``exp(-x**2)``."""
    y = av.exp(-x * x)
    return y, lambda g: g * y * (-2.0 * x)


if __name__ == "__main__":
    # First and second derivatives, by tapes and by forward accumulators, against differences; silence is success.
    # Every float among the arguments is differentiated, so an attribute (the width) is bound first.
    for sample in bump.op.samples():
        x, *attributes = sample.args
        if sample.smooth:
            av.testing.check_gradients(lambda x, rest=attributes: bump(x, *rest), [x])
    av.testing.check_gradients(own_bump, [np.array([0.5, -1.0])])
