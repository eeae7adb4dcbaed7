"""Adding an optimizer: a pure update, a class that names its slots. Run it: `python docs/examples/add_an_optimizer.py`.

In the package the class goes into a file of `optim/`, with one entry in `OPTIMIZERS` of `tests/test_optim.py` (all
shared tests run over that list) and a stored trajectory of a known implementation (`tests/golden/make_optimizers.py`).
"""

import numpy as np

import autograd_vs as av
import optim

# The update is a function of arrays, written with operators, element by element: it does not matter to it whether it
# gets one variable, a block of one, some rows, or many variables laid end to end. `g` is the gradient, then one
# argument per slot, then scalars by keyword. It returns what is subtracted, and the new slots. It may change its slots
# in place (`scale *= decay`), and must not change `p` and `g`; `p`, the value, is None unless there is weight decay.


def rmsprop_update(p, g, scale, *, decay, rest, rate, epsilon):
    """The change of a variable under `RMSProp`: ``delta, scale``."""
    scale *= decay
    scale += g * g * rest
    return g * rate / (np.sqrt(scale) + epsilon), scale


class RMSProp(optim.Optimizer):
    """Gradient descent, scaled by a running mean of the squared gradient.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: RMSProp", COURSERA: Neural Networks for Machine Learning, 2012.
    """

    hyperparameters = ("decay", "epsilon")  # what `state_dict` holds beside the learning rate
    update = staticmethod(rmsprop_update)

    def __init__(self, learning_rate=1e-3, decay=0.99, epsilon=1e-8, *, name="rmsprop", **common):
        self.decay, self.epsilon = decay, epsilon
        super().__init__(learning_rate, ("scale",), name=name, **common)  # slots: "rmsprop/scale/<variable>"
        self.check_range("decay", 0, 1)

    def scalars(self, step, rate):
        """The keyword arguments of the update at a variable's `step`-th one."""
        return {"decay": self.decay, "rest": 1.0 - self.decay, "rate": rate, "epsilon": self.epsilon}


if __name__ == "__main__":
    with av.VariableStore():
        v = av.get_variable("v", initializer=np.array([3.0, -2.0]))
        optimizer = RMSProp(0.05)
        losses = [optimizer.minimize(lambda: av.sum(v * v), [v]).item() for _ in range(300)]
        assert losses[-1] < 0.01 * losses[0], losses[-1]

        # The formula, by hand: after one step the slot is 0.01 g**2.
        w = av.get_variable("w", initializer=np.array([1.0]))
        optimizer.apply_gradients([(np.array([2.0]), w)])
        np.testing.assert_allclose(optimizer.get_slot(w, "scale").numpy(), [0.04])
        np.testing.assert_allclose(w.numpy(), [1.0 - 0.05 * 2.0 / (np.sqrt(0.04) + 1e-8)])

        # State goes by name: what was saved finds its variable in another optimizer.
        report = RMSProp(0.05).load_state_dict(optimizer.state_dict())
        assert "rmsprop/scale/v" in report.waiting
    print("converged; slots:", ", ".join(optimizer.slots))
