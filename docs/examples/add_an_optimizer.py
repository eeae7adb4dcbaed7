"""Adding an optimizer: a pure update, a class that names its slots. Run it: `python docs/examples/add_an_optimizer.py`.

In the package the class goes into a file of `optim/`, with its name in `optim/__init__.py`, one row in `OPTIMIZERS` of
`tests/test_optim.py` (all shared tests run over that list; this class is in it, too) and a stored trajectory of a known
implementation (`tests/golden/make_optimizers.py`).
"""

import numpy as np

import autograd_vs as av
import optim

# The update is a function of arrays, written with operators, element by element: it does not matter to it whether it
# gets one variable, a block of one, some rows, or many variables laid end to end. `g` is the gradient, then one
# argument per slot, then scalars by keyword. It returns what is subtracted, and the new slots. It may change its slots
# in place (`m *= beta_1`), and must not change `p` and `g`; `p`, the value, may be None.


def adabelief_update(p, g, m, s, *, beta_1, beta_2, rate, epsilon, offset):
    """The change of a variable under `AdaBelief`: ``delta, m, s``."""
    m *= beta_1
    m += g * (1.0 - beta_1)
    s *= beta_2
    s += (g - m) ** 2 * (1.0 - beta_2) + offset
    return m * rate / (np.sqrt(s) + epsilon), m, s


class AdaBelief(optim.Optimizer):
    """Adam whose steps are scaled by how far gradients are from what was expected.

    References
    ----------
    Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", NeurIPS 2020,
    algorithm 2.
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon", "weight_decay")  # checked, and in `state_dict`
    update = staticmethod(adabelief_update)
    decoupled_weight_decay = True  # the base class does it, for what `exclude=` does not name

    def __init__(self, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0, **common):
        self.beta_1, self.beta_2, self.epsilon, self.weight_decay = beta_1, beta_2, epsilon, weight_decay
        super().__init__(learning_rate, ("m", "s"), **common)  # slots: "adabelief/m/<variable>"

    def scalars(self, step, rate):
        """The keyword arguments of the update at a variable's `step`-th one; bias corrections are part of them."""
        correction = (1.0 - self.beta_2**step) ** 0.5
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "rate": rate * correction / (1.0 - self.beta_1**step),
            "epsilon": self.epsilon * correction,
            "offset": self.epsilon,
        }


if __name__ == "__main__":
    with av.VariableStore():
        v = av.get_variable("v", initializer=np.array([3.0, -2.0]))
        optimizer = AdaBelief(0.05)
        losses = [optimizer.minimize(lambda: av.sum(v * v), [v]).item() for _ in range(300)]
        assert losses[-1] < 0.01 * losses[0], losses[-1]

        # The formula, by hand: after one step m is 0.1 g, and s is 0.001 (0.9 g)**2.
        w = av.get_variable("w", initializer=np.array([1.0]))
        optimizer.apply_gradients([(np.array([2.0]), w)])
        np.testing.assert_allclose(optimizer.get_slot(w, "s").numpy(), [0.001 * 1.8**2], rtol=1e-5)
        np.testing.assert_allclose(w.numpy(), [1.0 - 0.05 * 2.0 / 1.8], rtol=1e-5)

        # State goes by name: what was saved finds its variable in another optimizer.
        report = AdaBelief(0.05).load_state_dict(optimizer.state_dict())
        assert "adabelief/m/v" in report.waiting
    print("converged; slots:", ", ".join(optimizer.slots))
