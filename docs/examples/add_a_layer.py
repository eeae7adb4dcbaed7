"""Adding a layer: `build` makes the variables, `call` computes. Run it: `python docs/examples/add_a_layer.py`.

In the package the class goes into the file of its family in `autograd_vs/layers/`, with its name in
`autograd_vs/layers/__init__.py` and a case in `tests/golden/make_layers.py`, whose stored values of PyTorch
`tests/test_layers_values.py` compares. Your own layers live in your own files, and need nothing but this class.
"""

import numpy as np

import autograd_vs as av
import optim


class Highway(av.layers.Layer):
    """``y = t * relu(x @ kernel + bias) + (1 - t) * x`` with the gate ``t = sigmoid(x @ gate/kernel + gate/bias)``.

    References
    ----------
    Srivastava, Greff, Schmidhuber, "Highway networks", 2015, equations 2 and 3; the bias of the gate begins below
    zero (section 2.2), so that at first most of `x` passes.
    """

    def __init__(self, gate_bias=-2.0, **options):
        super().__init__(**options)  # name, trainable, dtype
        self.gate_bias = gate_bias

    # Called once, before the first `call`, with the shape of the first argument. Layers in attributes belong to this
    # one: their variables are named below it ("highway/gate/kernel"), and are frozen, saved and counted with it.
    def build(self, shape):
        """Make the variables."""
        units = shape[-1]
        self.kernel = self.add_weight("kernel", (units, units))
        self.bias = self.add_weight("bias", (units,), initializer=av.initializers.zeros)
        below_zero = av.initializers.constant(self.gate_bias)
        self.gate = av.layers.Dense(units, "sigmoid", bias_initializer=below_zero, name="gate")

    # Functions of `av.nn`, NumPy's, operators: all is recorded. What differs in training takes `training=`, too.
    def call(self, x):
        """What comes out, of the shape of `x`."""
        t = self.gate(x)
        return t * av.nn.relu(x @ self.kernel + self.bias) + (1.0 - t) * x


# As a function: variables are shared by the name of the scope, as those of `av.layers.dense`.
highway = av.layers.functional(Highway)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5))

    with av.VariableStore(seed=0), av.variable_scope("model", dtype="float64") as scope:
        layer = Highway()
        y = layer(x)
        names = [v.op.name for v in layer.weights]
        assert names == [f"model/highway/{v}" for v in ("kernel", "bias", "gate/kernel", "gate/bias")], names

        # The formula, by hand, in NumPy.
        kernel, bias, gate_kernel, gate_bias = (v.numpy() for v in layer.weights)
        t = 1.0 / (1.0 + np.exp(-(x @ gate_kernel + gate_bias)))
        np.testing.assert_allclose(y.numpy(), t * np.maximum(x @ kernel + bias, 0.0) + (1.0 - t) * x, rtol=1e-12)

        # The function finds the same variables by name.
        with av.variable_scope(scope, reuse=True):
            np.testing.assert_array_equal(highway(x, name="highway").numpy(), y.numpy())

        # Gradients of the input and of the variables, first and second, against differences; silence is success. A
        # custom getter hands out what is differentiated in the place of the variables.
        def called(x, values):
            """The layer with these values in the place of its variables."""
            with av.variable_scope(scope, reuse=True, custom_getter=lambda getter, name, **asked: values[name]):
                return highway(x, name="highway")

        av.testing.check_gradients(called, [x, {v.op.name: v.numpy() for v in layer.weights}])

    # It trains, in a plan as well.
    with av.VariableStore(seed=0):
        net = av.layers.Sequential([Highway(), Highway(), av.layers.Dense(1)])
        data, target = x.astype(np.float32), np.sin(x.sum(axis=1, keepdims=True)).astype(np.float32)
        net(data)  # variables are made at the first call
        optimizer = optim.Adam(0.01)

        @av.function
        def step():
            """One update; the loss."""
            return optimizer.minimize(lambda: av.nn.mse(net(data), target), net.trainable_weights)

        losses = [step().item() for _ in range(300)]
        assert losses[-1] < 0.05 * losses[0], losses[-1]
    print("ok:", ", ".join(names))
