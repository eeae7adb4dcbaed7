"""Layers: scopes and names, sharing, freezing, functions, copies, what holds what."""

import copy
import pickle
import threading

import numpy as np
import pytest

import autograd_vs as av
import optim

layers = av.layers
X = np.arange(6.0, dtype=np.float32).reshape(2, 3) / 6


@pytest.fixture(autouse=True)
def store():
    with av.VariableStore(seed=0) as store:
        yield store


def names(variables):
    return [v.op.name for v in variables]


class Net(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.first = layers.Dense(4, activation="tanh")
        self.more = {"a": [layers.Dense(4), av.nn.relu], "b": (layers.Dense(1),)}

    def call(self, x):
        x = self.first(x)
        for step in [*self.more["a"], *self.more["b"]]:
            x = step(x)
        return x


# ---------------------------------------------------------------- names and scopes


def test_names_are_those_of_scopes(store):
    with av.variable_scope("encoder"):
        a, b = layers.Dense(2), layers.Dense(2)
        b(a(X))
    c = layers.Dense(2, name="head")
    c(X)
    assert names(store.variables()) == [
        "encoder/dense/kernel", "encoder/dense/bias", "encoder/dense_1/kernel", "encoder/dense_1/bias", "head/kernel",
        "head/bias",
    ]  # fmt: skip
    assert (a.name, b.name, c.name) == ("dense", "dense_1", "head")


def test_the_scope_is_that_of_the_first_call():
    with av.variable_scope("made"):
        a = layers.Dense(2)
    assert repr(a) == "<Dense 'dense', not built>" and not a.weights
    with av.variable_scope("called"):
        a(X)
    a(X)
    with av.variable_scope("later", reuse=True):
        a(X)
    assert names(a.weights) == ["called/dense/kernel", "called/dense/bias"] and repr(a) == "<Dense 'called/dense'>"
    with av.variable_scope("here"):
        b = layers.Dense(2)
        assert b.variable_scope.name == "here/dense"
    assert names(b(X) is not None and b.weights) == ["here/dense/kernel", "here/dense/bias"]


@pytest.mark.parametrize(
    "name, cls",
    {
        "dense": "Dense", "conv2d": "Conv2D", "conv2d_transpose": "Conv2DTranspose", "gru_cell": "GRUCell",
        "depthwise_conv2d": "DepthwiseConv2D", "rms_norm": "RMSNorm", "multi_head_attention": "MultiHeadAttention",
        "simple_rnn_cell": "SimpleRNNCell", "rnn": "RNN", "foo": "_Foo", "layer": "_",
    }.items(),
)  # fmt: skip
def test_default_names(name, cls):
    assert type(cls, (layers.Layer,), {})().name == name


def test_ops_are_named_by_layers():
    net = Net()
    with av.GradientTape():
        y = net(X)
        z = net(X)
    assert y.name == "net/dense_2/linear:0" and z.name == "net_1/dense_2/linear:0"


def test_held_layers_are_named_in_the_order_of_attributes():
    class Branches(layers.Layer):
        def __init__(self):
            self.a, self.b = layers.Dense(1), layers.Dense(1)

        def call(self, x, second):
            y = layers.dense(x, 1)  # on the fly: its name comes after those of the layers held
            return y + (self.b if second else self.a)(x)

    net = Branches()
    net(X, True)
    net(X, False)
    net(X, True)
    assert names(net.a.weights) == ["branches/dense/kernel", "branches/dense/bias"]
    assert names(net.b.weights) == ["branches/dense_1/kernel", "branches/dense_1/bias"]
    assert names(net.weights)[4:] == ["branches/dense_2/kernel", "branches/dense_2/bias"]


def test_defaults_of_the_scope_and_of_the_layer_hold():
    with av.variable_scope("a", initializer=av.initializers.constant(0.5), dtype="float64"):
        a, b = layers.Dense(2), layers.Dense(2, dtype="float32")
        a(X), b(X)
    assert a.kernel.dtype == np.float64 and a.kernel.numpy().tolist() == [[0.5] * 2] * 3
    assert b.kernel.dtype == np.float32 and not a.bias.numpy().any()


def test_names_that_exist_are_an_error_unless_the_scope_reuses():
    a = layers.Dense(2, name="fc")
    a(X)
    with pytest.raises(ValueError, match="'fc/kernel:0' exists already") as error:
        layers.Dense(2, name="fc")(X)
    assert error.value.__notes__ == ["in layer 'fc' (Dense), called with shapes (2, 3)"]
    with av.variable_scope("", reuse=True):
        b = layers.Dense(2, name="fc")
        b(X)
    assert b.kernel is a.kernel and b.bias is a.bias
    with pytest.raises(ValueError, match="cannot be the name of a layer"):
        layers.Dense(2, name="a b")
    with pytest.raises(ValueError, match="shape"):
        with av.variable_scope("", reuse=True):
            layers.Dense(3, name="fc")(X)


def test_stores_are_apart(store):
    a = layers.Dense(2)
    a(X)
    with av.VariableStore(seed=1) as other:
        b = layers.Dense(2)
        b(X)
        a(X)  # its variables are where they were
    assert names(other.variables()) == names(store.variables()) == ["dense/kernel", "dense/bias"]
    assert a.kernel is not b.kernel and store["dense/kernel"] is a.kernel
    store.reset()
    kernel = a.kernel
    a(X)
    c = layers.Dense(2)
    c(X)
    assert a.kernel is kernel and store["dense/kernel"] is c.kernel


# ---------------------------------------------------------------- sharing


def test_a_layer_called_twice_shares_and_two_layers_do_not(store):
    a, b = layers.Dense(3), layers.Dense(3)
    with av.GradientTape() as tape:
        loss = av.sum(a(a(X)) + b(X))
    gradients = tape.gradient(loss, a.weights + b.weights)
    assert len(store) == 4 and all(g is not None for g in gradients)
    assert not np.array_equal(a.kernel.numpy(), b.kernel.numpy())


def test_a_layer_held_by_two_models_is_one(store):
    shared = layers.Dense(3, name="shared")
    one, two = layers.Sequential([shared, layers.Dense(1)]), layers.Sequential([shared, shared, layers.Dense(1)])
    one(X), two(X)
    assert names(one.weights)[:2] == names(two.weights)[:2] == ["sequential/shared/kernel", "sequential/shared/bias"]
    assert len(two.weights) == 4 and len(store) == 6
    assert names(two.weights)[2:] == ["sequential_1/dense/kernel", "sequential_1/dense/bias"]


def test_functional_forms_share_by_name(store):
    def model(x):
        h = layers.dense(x, 4, activation="relu", name="fc")
        return layers.dense(layers.dropout(h, 0.5, training=False), 1)

    with av.variable_scope("m"):
        y = model(X)
        with pytest.raises(ValueError, match="exists already"):
            layers.dense(X, 4, name="fc")
    with av.variable_scope("m", reuse=True):
        z = model(X)
    with av.variable_scope("m", reuse=av.AUTO_REUSE):
        w = model(X)
    assert np.array_equal(y.numpy(), z.numpy()) and np.array_equal(y.numpy(), w.numpy())
    assert names(store.variables()) == ["m/fc/kernel", "m/fc/bias", "m/dense/kernel", "m/dense/bias"]
    with pytest.raises(ValueError, match="does not exist"):
        with av.variable_scope("m", reuse=True):
            layers.dense(X, 1, name="cf")


def test_a_class_of_ones_own_has_a_functional_form(store):
    class Scale(layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight("factor", shape[-1:], initializer=av.initializers.ones)

        def call(self, x, *, times=1):
            return x * self.factor * times

    scale = layers.functional(Scale)
    assert scale.__name__ == "scale"
    assert scale(X, times=2, name="s").numpy() == pytest.approx(2 * X)
    assert names(store.variables()) == ["s/factor"]


def test_layers_and_functions_are_the_same_model(store):
    with av.variable_scope("m"):
        dense = layers.Dense(4)
        y = dense(X)
    with av.variable_scope("m", reuse=True):
        z = layers.dense(X, 4)
        w = av.nn.linear(X, av.get_variable("dense/kernel"), av.get_variable("dense/bias"))
    assert y.numpy().tolist() == z.numpy().tolist() == w.numpy().tolist()


def test_readers_of_a_store_know_the_calls_of_layers(store):
    encoder = layers.Dense(2)
    with av.name_scope("left"):
        encoder(X)
    with av.name_scope("right"):
        encoder(X)
    assert store.readers["dense/kernel"] == ["left/dense", "right/dense"]


def test_templates_hold_layers(store):
    template = av.make_template("net", lambda x: layers.dense(layers.dense(x, 4), 1))
    template(X), template(X)
    assert names(store.variables()) == [
        "net/dense/kernel", "net/dense/bias", "net/dense_1/kernel", "net/dense_1/bias"
    ]  # fmt: skip


def test_custom_getters(store):
    def doubled(getter, name, **request):
        return getter(name, **request) * 2

    with av.variable_scope("m", custom_getter=doubled):
        with pytest.raises(TypeError, match=r"custom getter of the scope gives a Tensor for 'kernel'.*layers.dense"):
            layers.Dense(2, name="a")(X)
        with av.GradientTape() as tape:
            y = layers.dense(X, 2, use_bias=False, name="b")
        kernel = store["m/b/kernel"]
        assert y.numpy() == pytest.approx(2 * X @ kernel.numpy(), rel=1e-6)
        assert tape.gradient(y, kernel).numpy() == pytest.approx(2 * X.T @ np.ones((2, 2)), rel=1e-6)


class Outer(layers.Layer):
    """Holds a layer from the beginning, one that it makes when it is built, and one that it may be given."""

    def __init__(self, given=None, **options):
        super().__init__(**options)
        self.first, self.given = layers.Dense(3, name="first"), given

    def build(self, shape):
        self.second = Inner(name="second")

    def call(self, x):
        y = self.second(self.first(x))
        return y if self.given is None else self.given(y)


class Inner(layers.Layer):
    def build(self, shape):
        self.deep = layers.Dense(3, name="deep")

    def call(self, x):
        return self.deep(x)


def test_custom_getters_reach_the_layers_that_a_function_makes(store):
    outer, factor = layers.functional(Outer), [1.0]
    with av.variable_scope(
        "m", reuse=av.AUTO_REUSE, custom_getter=lambda getter, name, **r: getter(name, **r) * factor[0]
    ):
        once = outer(X, name="o").numpy()
        factor[0] = 2.0
        assert outer(X, name="o").numpy() == pytest.approx(4 * once), "the getter is asked at each call"
        with pytest.raises(TypeError, match="a layer holds Variables"):  # it lives on
            outer(X, name="o", given=layers.Dense(2))
    assert names(store.variables())[:2] == ["m/o/first/kernel", "m/o/first/bias"]
    assert names(store.variables())[2:4] == ["m/o/second/deep/kernel", "m/o/second/deep/bias"]


def test_regularizers_of_the_scope_and_of_a_weight(store):
    with av.variable_scope("m", regularizer=lambda v: av.sum(v * v)):
        layers.Dense(2)(X)
    assert len(store.regularization_losses()) == 2


def test_default_names_at_the_root_warn_for_functions_only(store):
    layers.Dense(1)(X)
    store["dense/bias"].assign([1.0])
    layers.Dense(1)(X)  # an object keeps its name
    with pytest.warns(av.ScopeWarning, match="under a default name at the root"):
        layers.dense(X, 1)


def test_running_statistics_are_no_training(store):
    y = layers.dense(layers.batch_norm(X, training=True), 2)  # warns of no name at the root
    assert store["batch_norm/moving_mean"].assigned and y.shape == (2, 2)


# ---------------------------------------------------------------- freezing


def test_freezing_freezes_all_below_and_thaws(store):
    net = Net()
    net(X)
    norm = layers.BatchNorm()
    norm(X, training=False)
    assert len(net.trainable_weights) == 6 and not net.non_trainable_weights
    net.trainable = False
    assert not net.trainable_weights and not net.more["b"][0].trainable and len(net.non_trainable_weights) == 6
    with av.GradientTape() as tape:
        y = net(X)
    assert not tape.watched_variables() and tape.gradient(y, net.weights) == [None] * 6
    net.trainable = True
    assert len(net.trainable_weights) == 6 and net.first.trainable
    net.first.trainable = False
    assert names(net.trainable_weights) == names(net.weights)[2:]
    norm.trainable = False
    norm.trainable = True
    assert names(norm.trainable_weights) == ["batch_norm/gamma", "batch_norm/beta"]


def test_frozen_before_it_is_built():
    net = Net(trainable=False)
    with av.GradientTape() as tape:
        net(X)
    assert not net.trainable_weights and not tape.watched_variables()
    net.trainable = True
    assert len(net.trainable_weights) == 6
    partly = Net()
    partly.first.trainable = False
    partly(X), partly(X)
    assert names(partly.trainable_weights) == names(partly.weights)[2:]


def test_thawing_thaws_what_was_trainable_only(store):
    class Counts(layers.Layer):
        def build(self, shape):
            self.n = self.add_weight("n", (), "int64", av.initializers.zeros)
            self.scale = self.add_weight("scale", (), trainable=False)
            self.shift = self.add_weight("shift", ())

        def call(self, x):
            return x * self.scale + self.shift

    for before in (True, False):
        counts = Counts(trainable=before)
        counts(X)
        counts.trainable = False
        counts.trainable = True
        assert counts.trainable_weights == [counts.shift] and counts.non_trainable_weights == [counts.n, counts.scale]
    with av.variable_scope("m"):
        kernel = av.get_variable("fc/kernel", (3, 2), trainable=False)
    with av.variable_scope("m", reuse=av.AUTO_REUSE):
        dense = layers.Dense(2, name="fc", trainable=False)
        dense(X)
    dense.trainable = True
    assert dense.kernel is kernel and dense.trainable_weights == [dense.bias]
    dense.bias.trainable = False  # by itself, after the layer thawed it
    dense.trainable = True
    assert not dense.trainable_weights


def test_a_first_call_that_failed_goes_on_with_its_variables(store):
    class Half(layers.Layer):
        def call(self, x):
            scale = av.get_variable("scale", ())
            if self.fails:
                raise RuntimeError("not yet")
            return x * scale * av.get_variable("shift", ())

    half = Half()
    half.fails = True
    with pytest.raises(RuntimeError, match="not yet"):
        half(X)
    half.fails = False
    half(X)
    assert names(half.weights) == ["half/scale", "half/shift"] == list(store)


def test_what_a_call_gets_by_name_is_frozen_too(store):
    class Functional(layers.Layer):
        def call(self, x):
            return layers.dense(x, 2) * av.get_variable("scale", ()) + av.get_variable("n", (), trainable=False)

    for before in (True, False):
        net = Functional(trainable=before)
        net(X)
        assert bool(net.trainable_weights) is before
        net.trainable = False
        assert not net.trainable_weights and len(net.weights) == 4
        net.trainable = True
        assert [name.rpartition("/")[2] for name in names(net.trainable_weights)] == ["kernel", "bias", "scale"]


def test_a_frozen_layer_stays_as_it_is_in_training():
    net = layers.Sequential([layers.Dense(4), av.nn.relu, layers.Dense(1)])
    net(X)
    net[0].trainable = False
    before = [v.numpy() for v in net.weights]
    optimizer = optim.SGD(0.1)
    for _ in range(3):
        optimizer.minimize(lambda: av.sum(net(X) ** 2), net.trainable_weights)
    changed = [not np.array_equal(v.numpy(), b) for v, b in zip(net.weights, before, strict=True)]
    assert changed == [False, False, True, True]


# ---------------------------------------------------------------- functions, threads, copies


def test_functions_replay_layers(seed):
    seed(7)

    def make():
        net = layers.Sequential([layers.Dense(4, "tanh"), layers.BatchNorm(), layers.Dropout(0.3), layers.Dense(1)])
        optimizer = optim.Adam(0.1)

        def step(x):
            with av.GradientTape() as tape:
                loss = av.mean(net(x, training=True) ** 2)
            weights = net.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        return net, step

    runs = []
    for wrapped in (False, True):
        with av.VariableStore(seed=3):
            av.random.set_state({"seed": 7, "streams": {}})
            net, step = make()
            step = av.function(step) if wrapped else step
            losses = [step(av.Tensor(X)).item() for _ in range(4)]
            runs.append((losses, [v.numpy() for v in net.weights]))
            if wrapped:
                assert step.traces == 1  # built in the first call, which is the trace
    (losses, weights), (again, others) = runs
    assert losses == again
    for a, b in zip(weights, others, strict=True):
        assert np.array_equal(a, b)


def test_freezing_between_the_calls_of_a_function():
    net = Net()

    @av.function
    def gradients(x):
        with av.GradientTape() as tape:
            y = net(x)
        return tape.gradient(y, net.weights, unconnected_gradients="zero")

    assert gradients(X)[0].numpy().any()
    net.first.trainable = False
    found = gradients(X)
    assert not found[0].numpy().any() and found[2].numpy().any()
    net.first.trainable = True
    assert gradients(X)[0].numpy().any()


def test_freezing_batch_norm_between_the_calls_of_a_function():
    norm = layers.BatchNorm(scale=False, center=False)  # no variable says that it is frozen
    step = av.function(lambda x: norm(x, training=True))
    y = step(av.Tensor(X)).numpy()
    norm.trainable = False
    before = norm.moving_mean.numpy()
    z = step(av.Tensor(X)).numpy()
    assert not np.array_equal(y, z) and np.array_equal(before, norm.moving_mean.numpy())
    norm.trainable = True
    assert np.array_equal(step(av.Tensor(X)).numpy(), y) and not np.array_equal(before, norm.moving_mean.numpy())


def test_recomputed_layers():
    net = Net()
    net(X)
    with av.GradientTape(persistent=True) as tape:
        y, z = av.sum(net(X)), av.sum(av.recompute_grad(net)(X))
    for a, b in zip(tape.gradient(y, net.weights), tape.gradient(z, net.weights), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_threads_build_a_layer_once(store):
    net, found = Net(), []

    def run():
        with store, av.variable_scope("m"):
            found.append(net(X).numpy())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.variables("m")) == 6 and len(found) == 4
    assert all(np.array_equal(f, found[0]) for f in found)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies_have_variables_of_their_own(twin):
    net = layers.Sequential([layers.Dense(4, "tanh"), layers.BatchNorm(), layers.Dense(1)])
    y = net(X, training=False)
    other = twin(net)
    assert np.array_equal(other(X, training=False).numpy(), y.numpy())
    assert not {id(v) for v in net.weights} & {id(v) for v in other.weights} and len(other.weights) == 8
    other[0].kernel.assign(other[0].kernel * 0)
    assert np.array_equal(net(X, training=False).numpy(), y.numpy())
    other.trainable = False
    assert not other.trainable_weights and len(net.trainable_weights) == 6
    assert len(twin(layers.Dense(3)).weights) == 0


def test_a_copy_with_a_name_does_not_know_what_it_is_a_copy_of(store):
    net = layers.Sequential([layers.Dense(2, name="fc"), layers.BatchNorm()], name="net")
    net(X, training=False)
    other = copy.deepcopy(net)
    other(X, training=False)
    assert other.variable_scope.name == "net_1" and other[0].variable_scope.name == "net_1/fc"
    assert len(other.weights) == 6 and not {id(v) for v in net.weights} & {id(v) for v in other.weights}
    other.trainable = False
    assert len(net.trainable_weights) == 4 and len(store) == 6
    with av.VariableStore():
        third = pickle.loads(pickle.dumps(net))
        third(X, training=False)
        assert third.variable_scope.name == "net"


def test_a_shallow_copy_of_a_layer_not_built_is_another():
    a = layers.Dense(2)
    b = copy.copy(a)
    a(X)
    assert not b.weights
    b(X)
    assert a.kernel is not b.kernel
    a = layers.Dense(2, trainable=False)
    b = copy.copy(a)
    a(X), b(X)
    a.trainable = True
    assert len(a.trainable_weights) == 2 and not b.trainable_weights


# ---------------------------------------------------------------- what holds what


def test_what_a_layer_holds_is_found_once():
    class Holder(layers.Layer):
        def __init__(self):
            self.x = layers.Dense(1)
            self.inside = {"k": [self.x, (layers.Flatten(), {"deep": layers.Dense(2)})]}
            self.parent = self  # a cycle
            self.plain = av.Variable(1.0, name="plain")
            self.added = self.add_weight("early", (2,))

        def call(self, x):
            return self.x(x) * self.plain + av.sum(self.added)

    holder = Holder()
    holder(X)
    assert [type(v).__name__ for v in holder.layers] == ["Dense", "Flatten", "Dense", "Holder"]
    assert names(holder.weights) == ["holder/early", "plain", "holder/dense/kernel", "holder/dense/bias"]
    assert holder.variables == holder.weights and holder.trainable_variables == holder.trainable_weights
    holder.trainable = False
    assert not holder.plain.trainable


def test_a_build_that_failed_leaves_nothing(store):
    class Half(layers.Layer):
        fails = True

        def build(self, shape):
            self.a = self.add_weight("a", ())
            if self.fails:
                raise RuntimeError("not yet")
            self.b = self.add_weight("b", ())

        def call(self, x):
            return x * self.a * self.b

    half = Half()
    with pytest.raises(RuntimeError, match="not yet") as error:
        half(X)
    assert error.value.__notes__ == ["in layer 'half' (Half), called with shapes (2, 3)"]
    assert not half.built and not half.weights and not len(store) and not store.readers
    half.fails = False
    half(X)
    assert half.built and names(half.weights) == ["half/a", "half/b"] == list(store)
    with pytest.raises(ValueError, match="its initializer"):
        layers.Dense(2, bias_initializer=lambda shape, dtype: np.ones(3), name="fc")(X)
    layers.Dense(2, name="fc")(X)
    assert store["fc/kernel"].shape == (3, 2)


def test_a_build_that_failed_leaves_what_was_there(store):
    with av.variable_scope("m"):
        layers.Dense(2, name="fc")(X)
        kernel = store["m/fc/kernel"]
    with av.variable_scope("m", reuse=av.AUTO_REUSE), pytest.raises(ValueError, match="its initializer"):
        layers.functional(Two)(X, name="fc")
    assert store["m/fc/kernel"] is kernel and list(store) == ["m/fc/kernel", "m/fc/bias"]


class Two(layers.Layer):
    def build(self, shape):
        self.add_weight("kernel", (3, 2))
        self.add_weight("new", (2,))
        self.add_weight("wrong", (2,), initializer=lambda shape, dtype: np.ones(3))


def test_one_name_for_two_weights_is_an_error():
    class Twice(layers.Layer):
        def build(self, shape):
            self.a, self.b = self.add_weight("w", (2,)), self.add_weight("w", (2,))

    with pytest.raises(ValueError, match="'twice/w:0' exists already"):
        Twice()(X)


def test_shapes_that_do_not_fit_name_the_layer():
    net = Net()
    net(X)
    with pytest.raises(ValueError) as error:
        net(X[:, :2])
    assert error.value.__notes__ == [
        "in layer 'net/dense' (Dense), called with shapes (2, 2); it has kernel (3, 4), bias (4,)"
    ]
    assert av.get_variable_scope().name == ""


def test_build_gets_the_shapes_of_a_nest():
    seen = []

    class Pair(layers.Layer):
        def build(self, shape):
            seen.append(shape)

        def call(self, x, *rest):
            return x

    Pair()((X, {"a": X[0]}))
    Pair()([[1.0, 2.0]])
    Pair()(1.0)
    Pair()(X, X)
    assert seen == [((2, 3), {"a": (3,)}), (1, 2), (), (2, 3)]


def test_mistakes():
    with pytest.raises(NotImplementedError, match="Layer has no method `call`"):
        layers.Layer()(X)
    with pytest.raises(ValueError, match=r"Dense takes as its first argument an array of shape .*, got nothing"):
        layers.Dense(1)()
    for layer in (layers.Dense(1), layers.Flatten(), layers.GRUCell(1), layers.LayerNorm()):
        with pytest.raises(ValueError, match=r"takes as its first argument an array of shape .*, got shape \(\)"):
            layer(1.0)
    with pytest.raises(ValueError, match=r"got shape \(\(2, 3\), \(2, 3\)\)"):
        layers.Dense(1)((X, X))
    with pytest.raises(ValueError, match=r"MaxPool takes .*batch, places, ..., channels.*, got shape"):
        layers.GlobalMaxPool()(X)
    with pytest.raises(ValueError, match=r"'linear'. For none write None: av.nn.linear takes more than one array"):
        layers.Dense(1, "linear")
    with pytest.raises(ValueError, match="an activation is a function of one array"):
        layers.Dense(1, layers.Dense)
    for size in ((3, 3, 3), "33", 0, 2.0):
        with pytest.raises(ValueError, match="Conv2D: kernel_size is an integer above 0, or 2 of them"):
            layers.Conv2D(4, size)
    with pytest.raises(ValueError, match="Conv1D: data_format is 'NWC' or 'NCW', got 'channels_last'"):
        layers.Conv1D(4, 3, data_format="channels_last")
    for make in (lambda **options: layers.Conv2D(4, 3, **options), layers.MaxPool2D):
        with pytest.raises(TypeError, match=r"has no option 'dilation'. Did you mean 'dilations'"):
            make(dilation=2)
    for cls in (layers.Conv1D, layers.Conv1DTranspose):
        with pytest.raises(ValueError, match="2 channels and 3 filters do not both fall into groups=2"):
            cls(3, 1, groups=2)(X[..., :2, None].swapaxes(1, 2))
    for axis in (2, (1, -1), 0.5):
        with pytest.raises(ValueError, match=r"BatchNorm: axis .* of an array of shape \(2, 3\)"):
            layers.BatchNorm(axis)(X, training=True)
    for layer in (layers.Dropout(0.5), layers.BatchNorm()):
        with pytest.raises(TypeError, match="needs training=True or training=False"):
            layer(X, training=None)
    with pytest.raises(ValueError, match=r"Embedding.attend takes x of shape \(..., 2\), got \(2, 3\)"):
        layers.Embedding(5, 2).attend(X)
    model = layers.Sequential([layers.Dense(1)])
    model(X)
    with pytest.raises(RuntimeError, match=r"called already.*Sequential\(\[\*model, <Dense 'dense', not built>\]\)"):
        model.add(layers.Dense(2))
    model.steps.append(layers.Dense(2))
    with pytest.raises(ValueError, match="with reuse=True none is made") as error:
        model(X)
    assert "make a new layer that holds the old ones and this one" in error.value.__notes__[0]
    model.steps.pop()
    assert len(model) == 1 and layers.Sequential([*model, layers.Dense(2)])(X).shape == (2, 2)
    with pytest.raises(ValueError, match=r"Dense: an activation is .*'rellu'.*Did you mean 'relu'"):
        layers.Dense(1, "rellu")
    with pytest.raises(TypeError, match="training"):
        layers.Dropout(0.5)(X)
    with pytest.raises(TypeError, match=r"step 1 is .*: write Dense\(\.\.\.\)"):
        layers.Sequential([av.nn.relu, layers.Dense])
    for wrong in ((layers.Dense(1), layers.Dense(1)), (layers.Dense(1),), (3,)):
        with pytest.raises(TypeError, match="Sequential takes one list of steps"):
            layers.Sequential(*wrong)
    with pytest.raises(TypeError, match="no step of Sequential takes mask="):
        layers.Sequential([layers.Dense(1)])(X, mask=None)
    with pytest.raises(TypeError, match="trainable is True or False"):
        layers.Dense(1).trainable = "no"
    with pytest.raises(TypeError, match=r"Dense has no option 'activations'\. Did you mean 'activation'\?"):
        layers.Dense(3, activations="relu")
    with pytest.raises(TypeError, match=r"Dense has no option 'unit'\. Did you mean 'units'\?"):
        layers.dense(X, 3, unit=3)
    with pytest.raises(TypeError, match="summary takes a layer or a VariableStore, got 3"):
        av.summary(3)


def test_sequential():
    model = layers.Sequential([layers.Dense(4), layers.Sequential([layers.Dropout(0.5), av.nn.relu])])
    model.add(layers.Dense(2))
    assert model(X, training=True).shape == (2, 2) and len(model) == 3 and len(model[1]) == 2
    assert layers.Sequential([layers.Dense(1)])(X, training=True).shape == (2, 1) and layers.Sequential()
    assert model.takes("training") and not model.takes("mask") and not model[0].takes("training")
    with pytest.raises(TypeError, match="training"):
        model(X)


def test_dropout_draws_by_the_name_of_its_layer(seed):
    def run(second_first=False):
        av.random.set_state({"seed": 1, "streams": {}})
        with av.VariableStore():
            first, second = layers.Dropout(0.5, name="first"), layers.Dropout(0.5, name="second")
            x = np.ones((50,), np.float32)
            if second_first:
                return [drop(x, training=True).numpy() for drop in (second, first)][::-1]
            return first(x, training=True).numpy(), second(x, training=True).numpy()

    seed(1)
    a, b = run()
    assert not np.array_equal(a, b) and set(a) == {0.0, 2.0}
    rows = layers.Dropout(0.5, noise_shape=(None, 1))(np.ones((20, 3), np.float32), training=True).numpy()
    assert np.array_equal(rows, np.repeat(rows[:, :1], 3, axis=1)) and set(rows.ravel()) == {0.0, 2.0}
    c, d = run(second_first=True)
    assert np.array_equal(a, c) and np.array_equal(b, d)


# ---------------------------------------------------------------- embeddings, batch norm


def test_tied_embeddings(store):
    words = layers.Embedding(5, 3, initializer=av.initializers.random_normal())
    ids = np.array([[0, 4], [4, 1]])
    with av.GradientTape() as tape:
        rows = words(ids)
    assert isinstance(tape.gradient(rows, words.embeddings), av.IndexedSlices)
    with av.GradientTape() as tape:
        loss = av.nn.softmax_cross_entropy(words.attend(words(ids)), ids, reduction="mean")
    gradient = tape.gradient(loss, words.embeddings)
    assert len(store) == 1 and gradient.shape == (5, 3)
    first = layers.Embedding(5, 3)
    assert first.attend(np.ones((2, 3), np.float32)).shape == (2, 5) and first.built
    assert -0.05 <= first.embeddings.numpy().min() < 0 < first.embeddings.numpy().max() < 0.05


def test_axes_are_in_the_order_of_the_array():
    norm = layers.LayerNorm(axis=[-1, 1])
    norm(np.ones((2, 3, 4), np.float32))
    assert norm.gamma.shape == norm.beta.shape == (3, 4)


def test_batch_norm_frozen_keeps_its_statistics():
    norm = layers.BatchNorm()
    norm(X, training=True)
    before = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    assert before[0].any()
    norm.trainable = False
    y = norm(X, training=True)
    assert np.array_equal(y.numpy(), norm(X, training=False).numpy())
    assert np.array_equal(before[0], norm.moving_mean.numpy())
    assert np.array_equal(before[1], norm.moving_variance.numpy())
    norm.trainable = True
    norm(X, training=True)
    assert not np.array_equal(before[0], norm.moving_mean.numpy())
    with pytest.raises(ValueError, match="one value per channel"):
        norm(X[:1], training=True)


# ---------------------------------------------------------------- summary


def test_summary_of_a_layer():
    class Tied(layers.Layer):
        def __init__(self):
            self.a, self.b = layers.Dense(3, use_bias=False), layers.Dense(3, use_bias=False)
            self.norm = layers.BatchNorm()

        def call(self, x):
            y = self.a(x)
            self.b.kernel = self.a.kernel
            return self.norm(y, training=False)

    model = Tied()
    assert str(av.summary(model)).startswith("Tied 'tied', not built")
    model(X)
    table = av.summary(model)
    assert table.parameters == 9 + 12 and table.trainable_parameters == 9 + 6 and table.size_in_bytes == 84
    assert [(r.name, r.layer, r.shape, r.trainable, r.shared) for r in table.rows][:2] == [
        ("tied/dense/kernel", "Dense", (3, 3), True, ("tied/dense_1",)),
        ("tied/batch_norm/gamma", "BatchNorm", (3,), True, ()),
    ]
    assert str(table).splitlines()[-1] == "21 parameters, 15 of them trainable, 84 bytes" and repr(table) == str(table)
    html = table._repr_html_()
    assert html.count("<tr>") == 7 and "tied/dense_1" in html


def test_summary_of_a_store(store):
    for scope in ("left", "right"):
        with av.variable_scope("m", reuse=av.AUTO_REUSE), av.name_scope(scope):
            av.get_variable("w>", (2, 2))
    layers.Dense(1, name="once")(X)
    rows = av.summary(store).rows
    assert rows[0].shared == ("m/left", "m/right") and rows[1].shared == ()
    assert "m/w&gt;" in av.summary(store)._repr_html_()
