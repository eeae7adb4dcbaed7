"""av.save and av.load: names, scopes, renaming, layouts; what does not fit; and that nothing is half-loaded."""

import json
import os
import struct
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim

GOLDEN = Path(__file__).parent / "golden"
safetensors_numpy = pytest.importorskip("safetensors.numpy", reason="checkpoints need the extra [train]")


def model(*names, shape=(2, 3), seed=0):
    """A store with variables of these names."""
    with av.VariableStore(seed=seed) as store:
        for name in names:
            av.get_variable(name, shape)
    return store


def values(store):
    return {name: store[name].numpy() for name in store}


def same(a, b):
    """The same names with the same bits."""
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape, name
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


# ---------------------------------------------------------------- there and back

KINDS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", [*KINDS, "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 0), (2, 3, 4)])
def test_every_dtype_and_shape_comes_back_bit_for_bit(path, dtype, shape):
    rng = np.random.default_rng(0)
    value = (rng.standard_normal(shape) * 50 + (1j * rng.standard_normal(shape) if dtype[0] == "c" else 0)).astype(
        dtype
    )
    v = av.Variable(value, name="v")
    av.save(path, v)
    v.assign(np.zeros(shape, dtype))
    assert av.load(path, v).loaded == ["v"]
    same({"v": v.numpy()}, {"v": value})


def test_special_floats_keep_their_bits(path):
    bits = np.array([0x7F800000, 0xFF800000, 0x7FC00001, 0xFFC01234, 0x80000000, 0x00000001], np.uint32)
    v = av.Variable(bits.view(np.float32), name="v")
    av.save(path, v)
    v.assign(np.zeros(6, np.float32))
    av.load(path, v)
    assert v.numpy().view(np.uint32).tolist() == bits.tolist()


@pytest.mark.host("layouts of NumPy's memory")
def test_other_layouts_in_memory_are_stored_as_what_they_show(path):
    from autograd_vs import checkpoint_files as files

    a = np.arange(12.0).reshape(3, 4)
    views = {
        "t": a.T,
        "step": a[:, ::2],
        "back": a[::-1],
        "wide": np.broadcast_to(a[:1], (3, 4)),
        "big": a.astype(">f8"),
    }
    files.write(str(path), views, {})
    found = files.read(str(path))
    for name, view in views.items():
        assert found[name].tolist() == view.tolist(), name


def test_the_file_is_what_the_library_reads_with_full_names(path):
    store = model("encoder/kernel", "head/kernel")
    av.save(path, store)
    same(safetensors_numpy.load_file(path), values(store))


def test_pytorch_reads_it(path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    store = model("encoder/kernel", "head/kernel")
    av.save(path, store)
    same({name: t.numpy() for name, t in load_file(path).items()}, values(store))


def test_the_metadata_says_what_is_there(path):
    from safetensors import safe_open

    store = model("w", seed=7)
    optimizer = optim.Adam()
    optimizer.minimize(lambda: av.sum(store["w"] ** 2))
    av.save(path, store, optimizer, metadata={"step": 1})
    with safe_open(path, framework="numpy") as file:
        table = json.loads(file.metadata()["autograd_vs"])
    assert table["format"] == 1 and table["version"] == av.__version__ and table["metadata"] == {"step": 1}
    assert table["seeds"]["stores"] == [7]
    adam = table["objects"]["adam"]
    assert adam["class"] == "Adam" and adam["arrays"] == [["adam/m/w"], ["adam/v/w"]]
    assert adam["values"]["adam/iterations"] == 1 and adam["values"]["adam/step/w"] == 1


def test_the_same_content_gives_the_same_bytes(tmp_path):
    store = model("a", "b")
    av.save(tmp_path / "1", store)
    av.save(tmp_path / "2", store)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_tied_weights_are_stored_once_and_stay_tied(path):
    def build():
        with av.VariableStore(seed=0) as store:
            with av.variable_scope("model"):
                table = av.get_variable("embedding", (50, 8))
            with av.variable_scope("model", reuse=True):
                projection = av.get_variable("embedding")
        return store, table, projection

    store, *_ = build()
    av.save(path, store, store["model/embedding"])
    assert list(safetensors_numpy.load_file(path)) == ["model/embedding"]
    other, table, projection = build()
    table.assign(np.zeros((50, 8)))
    av.load(path, other)
    assert table is projection
    same(values(other), values(store))


def test_a_path_in_new_folders_and_as_a_string(tmp_path):
    store = model("w")
    av.save(str(tmp_path / "new" / "folder" / "w.safetensors"), store)
    assert av.load(tmp_path / "new" / "folder" / "w.safetensors", store).complete
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["w.safetensors"]
    av.save(os.fsencode(tmp_path / "bytes"), store)
    assert av.load(os.fsencode(tmp_path / "bytes"), store).complete and (tmp_path / "bytes").exists()


# ---------------------------------------------------------------- parts, renaming, layouts


def test_by_scope(path):
    store = model("encoder/a", "encoder/b", "encoder2/a", "head/a")
    av.save(path, store, scope="encoder")
    assert sorted(safetensors_numpy.load_file(path)) == ["encoder/a", "encoder/b"]

    av.save(path, store)
    other = model("encoder/a", "encoder/b", "head/a", seed=1)
    before = values(other)
    report = av.load(path, other, scope="encoder")
    assert report.loaded == ["encoder/a", "encoder/b"] and report.complete
    after = values(other)
    same({"head/a": after["head/a"]}, {"head/a": before["head/a"]})
    same({"a": after["encoder/a"]}, {"a": store["encoder/a"].numpy()})


@pytest.mark.parametrize(
    "rename",
    [
        {"encoder/": "pretrained/encoder/", "head/": None},
        {"": "pretrained/", "head/": None},
        {"encoder/a": "pretrained/encoder/a", "encoder/": "pretrained/encoder/", "head/a": None},
        lambda name: "pretrained/" + name if name.startswith("encoder/") else None,
    ],
    ids=["prefix", "all", "exact before prefix", "function"],
)
def test_renaming(path, rename):
    store, other = (
        model("encoder/a", "encoder/b", "head/a"),
        model("pretrained/encoder/a", "pretrained/encoder/b", seed=1),
    )
    av.save(path, store)
    report = av.load(path, other, rename=rename)
    assert report.renamed == [f"encoder/{x} -> pretrained/encoder/{x}" for x in "ab"]
    for x in "ab":
        assert np.array_equal(other[f"pretrained/encoder/{x}"].numpy(), store[f"encoder/{x}"].numpy())


def test_slots_are_renamed_with_their_variables(path):
    store, other = model("a/w"), model("b/w")
    first, second = optim.Adam(), optim.Adam()
    first.minimize(lambda: av.sum(store["a/w"] ** 2))
    av.save(path, store, first)
    av.load(path, other, second, rename={"a/": "b/"})
    for optimizer, v in ((first, store["a/w"]), (second, other["b/w"])):
        optimizer.minimize(lambda v=v: av.sum(v**3))
    assert second.get_slot("b/w", "step").item() == 2
    assert other["b/w"].numpy().tobytes() == store["a/w"].numpy().tobytes()


def test_what_a_rename_and_a_transpose_do_not_fit_is_an_error(path):
    store = model("w")
    av.save(path, store)
    with pytest.raises(ValueError, match="rename: no name in the file fits 'encodr/'"):
        av.load(path, store, rename={"encodr/": "encoder/"})
    with pytest.raises(ValueError, match=r"transpose: no variable that is loaded fits '\*/kernel'"):
        av.load(path, store, transpose={"*/kernel": (1, 0)})
    with pytest.raises(ValueError, match=r"transpose: \(0, 1, 2\) does not fit 'w' of shape \(2, 3\)"):
        av.load(path, store, transpose={"w": (0, 1, 2)})
    with pytest.raises(ValueError, match=r"transpose: .* does not fit 'w' of shape"):
        av.load(path, store, transpose={"w": lambda a: a[9]})
    with pytest.raises(TypeError, match="transpose maps names here"):
        av.load(path, store, transpose=True)
    both = model("w", "u")
    av.save(path, both)
    with pytest.raises(ValueError, match="'u' and 'w' would both be 'w'"):
        av.load(path, store, rename={"u": "w"})


def test_two_stores_of_the_same_names(path):
    teacher, student = model("w", seed=0), model("w", seed=1)
    with pytest.raises(ValueError, match="two variables are named 'w'"):
        av.save(path, teacher, student)
    av.save(path, {"teacher": teacher, "student": student})
    wanted = values(teacher), values(student)
    for store in (teacher, student):
        store["w"].assign(np.zeros((2, 3)))
    av.load(path, {"teacher": teacher, "student": student})
    same(values(teacher), wanted[0])
    same(values(student), wanted[1])


def test_a_dict_gives_names_to_lists_too(path):
    store = model("a", "b")
    av.save(path, {"old": list(store.variables())})
    assert sorted(safetensors_numpy.load_file(path)) == ["old/a", "old/b"]
    assert av.load(path, {"old": store}).loaded == ["old/a", "old/b"]


def test_dtypes_are_converted_on_request_only(path):
    v = av.Variable(np.arange(3, dtype=np.float64), name="v")
    av.save(path, v)
    single, whole = av.Variable(np.zeros(3, np.float32), name="v"), av.Variable(np.zeros(3, np.int32), name="v")
    single._name = whole._name = "v"  # the same name, in a program of its own
    with pytest.raises(ValueError, match=r"v is float64 \(3,\) in the file, float32 \(3,\) here"):
        av.load(path, single)
    av.load(path, single, cast=True)
    assert single.numpy().tolist() == [0, 1, 2] and single.dtype == np.float32
    with pytest.raises(ValueError, match="1 mismatched"):
        av.load(path, whole, cast=True)


# ---------------------------------------------------------------- what does not fit


def test_strict_says_all_at_once_and_changes_nothing(path):
    av.save(path, model("encoder/kernel", "encoder/bias", "old/w"))
    with av.VariableStore(seed=3) as store:
        av.get_variable("encoder/kernel", (2, 4))
        av.get_variable("encoder/bias", (2, 3))
        av.get_variable("encoder/biass", (2, 3))
    before = values(store)
    with pytest.raises(ValueError) as error:
        av.load(path, store)
    text = str(error.value)
    assert "1 missing: encoder/biass" in text and "1 unexpected: old/w" in text and str(path) in text
    assert "1 mismatched: encoder/kernel is float32 (2, 3) in the file, float32 (2, 4) here" in text
    same(values(store), before)

    report = av.load(path, store, strict=False)
    assert (report.loaded, report.missing, report.unexpected) == (["encoder/bias"], ["encoder/biass"], ["old/w"])
    assert len(report.mismatched) == 1 and not report.complete
    after = values(store)
    same(
        {n: after[n] for n in ("encoder/kernel", "encoder/biass")},
        {n: before[n] for n in ("encoder/kernel", "encoder/biass")},
    )


def test_close_names_are_shown(path):
    av.save(path, model("encoder/kernel"))
    with pytest.raises(ValueError, match="'encoder/kernels': Did you mean 'encoder/kernel'"):
        av.load(path, model("encoder/kernels"))


def test_single_variables_leave_the_others_alone(path):
    store = model("a", "b")
    av.save(path, store)
    assert av.load(path, store["a"]).complete
    assert av.load(path, [store["a"]], (store["b"],)).loaded == ["a", "b"]


def test_what_has_no_state_and_what_is_there_twice(path):
    store = model("w")
    with pytest.raises(TypeError, match="ndarray has no state"):
        av.save(path, np.zeros(3))
    with pytest.raises(ValueError, match="there is nothing in what was given"):
        av.save(path)
    with pytest.raises(ValueError, match="nothing to save in the scope 'nowhere'"):
        av.save(path, store, scope="nowhere")
    with pytest.raises(ValueError, match="two objects are named 'adam': give optimizers distinct name="):
        av.save(path, optim.Adam(), optim.Adam())
    with pytest.raises(TypeError, match="metadata is a dict"):
        av.save(path, store, metadata=[1])
    with pytest.raises(TypeError, match="fit for JSON"):
        av.save(path, store, metadata={"a": {1, 2}})
    with av.VariableStore() as taken:
        av.get_variable("adam/m/w", (2, 3))
    optimizer = optim.Adam()
    optimizer.minimize(lambda: av.sum(store["w"] ** 2))
    with pytest.raises(ValueError, match="'adam/m/w', a name that is taken"):
        av.save(path, taken, optimizer)
    with pytest.raises(ValueError, match="'__metadata__', a name that is taken"):
        av.save(path, {"__metadata__": store["w"]})
    assert not path.exists() and not list(path.parent.iterdir())


def test_a_part_that_does_not_fit_leaves_all_the_others_as_they_were(path):
    store = model("w")
    adam, sgd, history, rng = optim.Adam(), optim.SGD(0.1, momentum=0.9), av.History(), np.random.default_rng(0)
    for optimizer in (adam, sgd):
        optimizer.minimize(lambda: av.sum(store["w"] ** 2))
    history.log(loss=1.0)
    av.save(path, store, adam, sgd, history, {"rng": rng})

    with av.VariableStore() as other:
        av.get_variable("w", (2, 3))
        extra = av.get_variable("extra", (2,))
    new_adam, new_sgd, new_history, new_rng = (
        optim.Adam(),
        optim.SGD(0.1, momentum=0.9),
        av.History(),
        np.random.default_rng(1),
    )
    new_sgd.minimize(lambda: av.sum(extra**2))  # knows a variable that the file does not
    new_history.log(loss=2.0)
    objects = [new_adam, {"rng": new_rng}, new_history]
    states = [new_adam.state_dict(), new_rng.bit_generator.state, new_history["loss"].tolist()]
    before = values(other)
    with pytest.raises(ValueError, match=r"the state of 'sgd' cannot be loaded \(nothing was changed\)"):
        av.load(path, other["w"], *objects, new_sgd)
    assert states == [new_adam.state_dict(), new_rng.bit_generator.state, new_history["loss"].tolist()]
    same(values(other), before)

    broken = np.random.Generator(np.random.Philox(0))
    with pytest.raises(ValueError, match="the state of 'rng' cannot be loaded"):
        av.load(path, other["w"], new_adam, new_history, {"rng": broken})
    assert states[0] == new_adam.state_dict() and new_history["loss"].tolist() == [2.0]
    same(values(other), before)


def test_an_object_that_the_file_does_not_have(path):
    store = model("w")
    av.save(path, store, optim.SGD(0.1))
    with pytest.raises(ValueError, match=r"1 missing: adam \(the Adam\)(.|\n)*it has the state of: sgd"):
        av.load(path, store, optim.Adam())
    report = av.load(path, store, optim.Adam(), strict=False)
    assert report.missing == ["adam (the Adam)"] and report.loaded == ["w"]


def test_a_traced_function_must_not_save_or_load(path):
    store = model("w")

    @av.function
    def step():
        av.save(path, store)
        return store["w"] * 2

    with pytest.raises(RuntimeError, match="outside of a function that is traced"):
        step()
    assert not path.exists()
    av.save(path, store)
    with pytest.raises(RuntimeError, match=r"av.load belongs outside of a function that is traced"):
        av.function(lambda: av.load(path, store))()


# ---------------------------------------------------------------- what has a state


def all_kinds(store):
    """Objects with a state, each with a function that uses it and tells what it does."""
    w = store["w"]

    def batch(data):
        return [batch.tolist() for batch in islice(data, 1)]  # an epoch that is at its end has none

    def seen(metric):
        metric.update(np.array([0, 1, 1]), np.array([1, 1, 0]))
        return metric.result()

    def averaged(ema):
        w.assign(w * 0.5)
        ema.update()
        return ema.average(w).numpy().tolist()

    def stepped(optimizer):
        optimizer.minimize(lambda: av.sum(w * w), [w])
        return w.numpy().tolist()

    def scaled(scaler):
        scaler.apply_gradients([(w * scaler.scale(1.0), w)])
        return scaler.state_dict(), w.numpy().tolist()

    def waited(plateau):
        return plateau.update(1.0), plateau.optimizer.learning_rate

    def mean(metric):
        metric.update(len(repr(metric)) + 0.1)
        return metric.result()

    adam = optim.Adam(0.1)
    return [
        (av.data.batches(np.arange(40), 3, shuffle=8, drop_last=True), batch),
        (av.data.batches(range(9), 2), batch),
        (av.metrics.Mean(), mean),
        (av.metrics.Accuracy(), lambda m: (m.update(np.eye(3), np.array([0, 1, 1])), m.result())),
        (av.metrics.ConfusionMatrix(2), lambda m: seen(m).tolist()),
        (av.metrics.AUC(), seen),
        (optim.ExponentialMovingAverage([w], 0.75), averaged),
        (optim.Lookahead(optim.SGD(0.1, momentum=0.9), steps=3), stepped),
        (optim.LossScaler(optim.SGD(0.1), growth_steps=3), scaled),
        ((optim.ReduceOnPlateau(adam, patience=1), adam), waited),
        (np.random.default_rng(3), lambda rng: rng.random()),
    ]


@pytest.mark.parametrize("which", range(11))
@pytest.mark.parametrize("uses", [0, 1, 4])
def test_everything_goes_on_from_where_it_was_saved(path, which, uses):
    store, other = model("w"), model("w", seed=1)
    objects, use = all_kinds(store)[which]
    main = objects[0] if isinstance(objects, tuple) else objects
    for _ in range(uses):
        use(main)
    av.save(path, store, objects)
    wanted = [use(main) for _ in range(5)]

    objects, use = all_kinds(other)[which]
    main = objects[0] if isinstance(objects, tuple) else objects
    assert av.load(path, other, objects).complete
    assert [use(main) for _ in range(5)] == wanted


class Own:
    """An object of a user; its second number is refused if it is no integer."""

    def __init__(self, first, second):
        self.first, self.second, self.array = first, second, np.arange(3.0)

    def state_dict(self):
        nested = {"array": self.array, "empty": {}, "deeper": {"array": self.array * 2}}
        return {"first": self.first, "nested": nested, "second": self.second}

    def load_state_dict(self, state):
        self.first = state["first"]
        self.array[:] = state["nested"]["array"]
        if state["nested"]["deeper"]["array"].tolist() != (self.array * 2).tolist():
            raise ValueError("the arrays do not agree")
        self.second = int(state["second"])


def test_own_objects_and_nested_states(path):
    own = Own(None, 2)
    own.array += 5
    av.save(path, own)
    assert sorted(safetensors_numpy.load_file(path)) == ["own/nested/array", "own/nested/deeper/array"]
    other = Own("x", 3)
    assert av.load(path, other).loaded == ["own"]
    assert (other.first, other.second, other.array.tolist()) == (None, 2, [5, 6, 7])


def test_what_has_a_state_and_weights_is_asked_for_its_state(path):
    own = Own(1, 2)
    own.weights = [0.5]
    av.save(path, own)
    own.first = 3
    assert av.load(path, own).loaded == ["own"] and own.first == 1


def test_own_objects_that_fail_half_way_are_led_back_with_all_others(path):
    store, own, rng = model("w"), Own(1, "two"), np.random.default_rng(0)
    own.array += 5
    av.save(path, store, rng, own)
    rng.random()
    own.first, own.second = 3, 4
    own.array[:] = 9
    store["w"].assign(np.ones((2, 3)))
    live = [repr(own.__dict__), repr(rng.bit_generator.state), repr(values(store))]
    with pytest.raises(ValueError, match=r"the state of 'own' cannot be loaded \(nothing was changed\): invalid lit"):
        av.load(path, store, rng, own)
    assert live == [repr(own.__dict__), repr(rng.bit_generator.state), repr(values(store))]

    class Interrupted(Own):
        def load_state_dict(self, state):
            if state["first"] == 1:
                raise KeyboardInterrupt

    class Stubborn(Own):
        def load_state_dict(self, state):
            raise ValueError("no")

    with pytest.raises(ValueError, match="'own' does not take back the state that it had: no") as error:
        av.load(path, store, {"own": Stubborn(3, 4)}, rng)
    assert "the state of 'own' cannot be loaded" in str(error.value.__context__.__context__)
    assert live[1:] == [repr(rng.bit_generator.state), repr(values(store))]

    with pytest.raises(KeyboardInterrupt):
        av.load(path, store, rng, {"own": Interrupted(3, 4)})
    assert live[1:] == [repr(rng.bit_generator.state), repr(values(store))]


def test_a_variable_that_cannot_be_written_leaves_all_as_it_was(path, monkeypatch):
    """On a device there may be no memory for it."""
    store, optimizer = model("a", "b"), optim.Adam()
    optimizer.minimize(lambda: av.sum(store["a"] * store["b"]), store.variables())
    av.save(path, store, optimizer)
    optimizer.minimize(lambda: av.sum(store["a"] * store["b"]), store.variables())
    before = values(store)
    real = av.Variable.assign

    def assign(v, value):
        if v is store["b"] and not failed:
            failed.append(v)
            raise MemoryError
        return real(v, value)

    failed = []
    monkeypatch.setattr(av.Variable, "assign", assign)
    with pytest.raises(MemoryError):
        av.load(path, store, optimizer)
    same(values(store), before)
    assert failed and optimizer.iterations == 2


@pytest.mark.parametrize("state", [[1], None, {1: 2}, {"a": {2: 3}}])
def test_states_that_would_not_come_back_are_refused(path, state):
    own = Own(1, 2)
    own.state_dict = lambda: state
    with pytest.raises(TypeError, match="the state of 'own' is no dict with strings as keys"):
        av.save(path, own)


def test_averages_have_their_names_and_are_renamed_with_their_variables(path):
    store, other = model("a/w"), model("b/w", seed=1)
    averages = [optim.ExponentialMovingAverage(store.variables(), decay, name=f"ema{decay}") for decay in (0.5, 0.75)]
    for _ in range(2):
        store["a/w"].assign(store["a/w"] + 1)
        for ema in averages:
            ema.update()
    av.save(path, store, averages)
    assert "ema0.5/average/a/w" in safetensors_numpy.load_file(path)
    loaded = [optim.ExponentialMovingAverage(other.variables(), decay, name=f"ema{decay}") for decay in (0.5, 0.75)]
    av.load(path, other, loaded, rename={"a/": "b/"})
    for ema, new in zip(averages, loaded, strict=True):
        assert new.average("b/w").numpy().tolist() == ema.average("a/w").numpy().tolist()


def test_hyperparameters_stay_on_request(path):
    store = model("w")
    first = optim.Adam(0.5, beta_1=0.8)
    first.minimize(lambda: av.sum(store["w"] ** 2))
    ema = optim.ExponentialMovingAverage(store.variables(), 0.5)
    av.save(path, store, first, ema)
    second, mean = optim.Adam(0.25, beta_1=0.7), optim.ExponentialMovingAverage(store.variables(), 0.75)
    av.load(path, store, second, mean, hyperparameters=False)
    assert (second.learning_rate, second.beta_1, second.iterations) == (0.25, 0.7, 1)
    assert mean.state_dict()["ema/decay"] == 0.75
    av.load(path, store, second, mean)
    assert (second.learning_rate, second.beta_1) == (0.5, 0.8)
    assert mean.state_dict()["ema/decay"] == 0.5


def test_layers_stand_for_their_variables(path):
    with av.VariableStore(seed=0) as store:
        net = av.layers.Sequential([av.layers.Dense(4), av.layers.BatchNorm()], name="net")
        av.get_variable("other", (2,))
        with pytest.raises(ValueError, match="before its first call"):
            av.save(path, net)
        net(np.ones((2, 3), np.float32), training=False)
    av.save(path, net)
    names = [v.op.name for v in net.weights]
    assert sorted(safetensors_numpy.load_file(path)) == sorted(names) and len(names) == 6
    before = values(store)
    for v in store.variables():
        v.assign(v * 0 + 7)
    assert av.load(path, net).loaded == names
    assert (store["other"].numpy() == 7).all()
    same({name: store[name].numpy() for name in names}, {name: before[name] for name in names})


def test_zero_at_the_end_of_a_name_means_nothing():
    store = model("a/kernel", "b/kernel")
    source = {f"{x}/weight:0": np.full((3, 2), i, np.float32) for i, x in enumerate("ab", 1)}
    av.load(
        source,
        store,
        rename={"a/weight": store["a/kernel"].name, "b/weight:0": "b/kernel"},
        transpose={store["a/kernel"].name: (1, 0), "b/*": (1, 0)},
    )
    assert store["a/kernel"].numpy()[0, 0] == 1 and store["b/kernel"].numpy()[0, 0] == 2
    av.load({v.name: v.numpy() * 3 for v in store.variables()}, store)
    assert store["a/kernel"].numpy()[0, 0] == 3
    report = av.load({"w": source["a/weight:0"].T}, store["a/kernel"], rename=lambda name: store["a/kernel"].name)
    assert report.renamed == ["w -> a/kernel"]


def test_rules_that_overlap():
    """The exact name goes before prefixes, the longest prefix before others; each rule counts as used where it is."""
    store = model("x/w", "y/w", "z/w", "k/w")
    source = {name: np.full((2, 3), i, np.float32) for i, name in enumerate(["a/w", "a.b/w", "a/b/w", "c", "junk/u"])}
    rules = {"a/": "x/", "a.": "y/", "a/b/": "z/", "c": "k/w", "y/b/": "never/", "junk/": None}
    with pytest.raises(ValueError, match="no name in the file fits 'y/b/'"):  # rules are not applied to their results
        av.load(source, store, rename=rules, strict=False)
    del rules["y/b/"]
    rules["a."] = "y"
    with pytest.raises(ValueError, match=r"1 unexpected: a.b/w -> yb/w"):
        av.load(source, store, rename=rules)
    rules["a.b/"] = "y/"
    rules.pop("a.")
    assert av.load(source, store, rename=rules).complete
    assert [store[f"{x}/w"].numpy()[0, 0] for x in "xyzk"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "rename, text",
    [
        ({"a": "b"}, "fits 'a'; .*; 'a/' stands for all names that begin so"),
        ({"l": None}, "fits 'l'; .*; 'l.' stands for all names that begin so"),
        ({"a/w": 3}, "rename maps names in the file to names here, or to None; got 'a/w': 3"),
        ({3: "a"}, "rename maps names"),
        (["a/"], "rename is a dict or a function, got list"),
        (lambda name: 3, "it must be a name or None"),
    ],
)
def test_rules_that_are_none(rename, text):
    with pytest.raises((ValueError, TypeError), match=text):
        av.load({"a/w": np.zeros((2, 3)), "l.w": np.zeros(1)}, model("a/w"), rename=rename)


def test_a_scope_that_has_no_variables_and_values_that_are_no_arrays(path):
    store = model("a/w")
    av.save(path, store)
    for scope in ("b", "a/w"):
        with pytest.raises(ValueError, match=f"no variable here is in the scope '{scope}'"):
            av.load(path, store, scope=scope)
    with pytest.raises(TypeError, match="'a/w': cannot make an array of numbers of None"):
        av.load({"a/w": None}, store)


# ---------------------------------------------------------------- the table of objects, as a stranger may write it


def damaged(path, change):
    """Rewrite the table of objects of a file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    table = json.loads(header["__metadata__"]["autograd_vs"])
    table = change(table) or table
    header["__metadata__"]["autograd_vs"] = table if isinstance(table, str) else json.dumps(table)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "{",
        lambda t: "[]",
        lambda t: "[" * 100_000,
        lambda t: t.pop("objects") and None,
        lambda t: t.update(format=2),
        lambda t: t.update(objects=[]),
        lambda t: t.update(objects={"adam": None}),
        lambda t: t.update(objects={"adam": {"arrays": 3, "values": {}}}),
        lambda t: t.update(complex=None),
        lambda t: t.update(complex=["w"]),
        lambda t: t["objects"]["adam"]["arrays"].append("adam/m/nothing"),
        lambda t: t["objects"]["adam"]["arrays"].append(["adam"]),
        lambda t: t["objects"]["adam"]["arrays"].append([]),
        lambda t: t["objects"]["adam"]["arrays"].append([{}]),
        lambda t: t["objects"]["adam"]["arrays"].append(["adam", "m", "w"]),
        lambda t: t["objects"]["adam"].update(arrays=[["adam/iterations", "x"]]),
        lambda t: t["objects"]["adam"]["values"].update({"adam/beta_1": "x"}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/beta_1": None}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/epsilon": float("nan")}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/iterations": -1}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/iterations": 1.5}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/iterations": "1"}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/step/w": -1}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/step/w": [1]}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/iterations": None}),
        lambda t: t["objects"]["adam"]["values"].update({"adam/learning_rate": -1.0}),
        lambda t: t["objects"]["random"]["values"].update(seed=-1),
        lambda t: t["objects"]["random"]["values"].update(streams={"a": "b"}),
        lambda t: t["objects"]["random"]["values"].update(streams=json.loads('{"a":' * 600 + "1" + "}" * 600)),
        lambda t: t["objects"]["random"]["values"].pop("seed") and None,
        lambda t: t["objects"]["rng"]["values"].update(bit_generator="MT19937"),
        lambda t: t["objects"]["rng"]["values"].update(state={"state": -1, "inc": 3}),
        lambda t: t["objects"]["rng"]["values"].update(
            state={"state": 1, "inc": 3}, uinteger="x"
        ),  # half of it is good
        lambda t: t["objects"]["history"].update(arrays=["loss/steps"]),
    ],
)
def test_a_damaged_table_is_one_clear_error_and_changes_nothing(path, change, seed):
    seed(5)
    store = model("w")
    optimizer, history, rng = optim.Adam(), av.History(), np.random.default_rng(0)
    optimizer.minimize(lambda: av.sum(store["w"] ** 2))
    history.log(loss=1.0)
    objects = [store, optimizer, history, av.random, {"rng": rng}]
    av.save(path, *objects)
    damaged(path, change)
    rng.random(), history.log(loss=2.0), av.random.normal()
    optimizer.minimize(lambda: av.sum(store["w"] ** 2))

    def now():
        arrays = {k: np.asarray(v.get() if hasattr(v, "get") else v) for k, v in optimizer.state_dict().items()}
        return values(store) | arrays | {"loss": history["loss"]}, av.random.get_state(), rng.bit_generator.state

    before = now()
    with pytest.raises(ValueError, match=r"run\.safetensors"):
        av.load(path, *objects)
    after = now()
    same(after[0], before[0])
    assert after[1:] == before[1:]


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"])
def test_generators_of_numpy(path, kind):
    rng = np.random.Generator(getattr(np.random, kind)(3))
    rng.random(5, dtype=np.float32)  # half of a word is left for the next draw
    av.save(path, rng)
    wanted = rng.random(9, dtype=np.float32).tolist()
    other = np.random.Generator(getattr(np.random, kind)(4))
    av.load(path, other)
    assert other.random(9, dtype=np.float32).tolist() == wanted

    before = repr(other.bit_generator.state)
    last = "pos" if kind == "MT19937" else "uinteger"

    def half_good(table):
        values = table["objects"]["generator"]["values"]
        (values["state"] if kind == "MT19937" else values)[last] = "x"

    damaged(path, half_good)
    with pytest.raises(ValueError, match="the state of 'generator' cannot be loaded"):
        av.load(path, other)
    assert repr(other.bit_generator.state) == before


@pytest.mark.parametrize(
    "kind, key, wrong",
    [
        ("MT19937", "pos", [-1, 625, 2**40, 1.0, None, True]),  # NumPy takes the first three, and crashes
        ("MT19937", "key", [np.zeros(623, np.uint32), np.zeros(624), np.zeros(625, np.uint32), 3]),
        ("Philox", "buffer_pos", [-1, 5]),
        ("Philox", "buffer", [np.zeros(3, np.uint64), np.zeros(4, np.int64)]),
        ("SFC64", "state", [np.zeros(1, np.uint64)]),
        ("PCG64", "state", [-1, 0.5, "1"]),
        ("PCG64", "has_uint32", [2, -1]),
        ("PCG64", "bit_generator", ["PCG64DXSM", None]),
    ],
)
def test_states_that_crash_numpy_are_refused(path, kind, key, wrong):
    rng = np.random.Generator(getattr(np.random, kind)(3))
    for value in wrong:
        other = np.random.Generator(getattr(np.random, kind)(4))
        state = other.bit_generator.state
        inner = state["state"] if key in state["state"] else state
        inner[key] = value
        before = repr(rng.bit_generator.state)
        stand_in = Own(1, 2)
        stand_in.state_dict = lambda state=state: state
        av.save(path, {"rng": stand_in})
        with pytest.raises(ValueError, match="the state of 'rng' cannot be loaded"):
            av.load(path, {"rng": rng})
        assert repr(rng.bit_generator.state) == before


# ---------------------------------------------------------------- weights of other programs


def test_npz(tmp_path):
    store = model("dense/kernel", seed=0)
    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "w.npz", **{"dense.weight": weights})
        report = av.load(
            tmp_path / "w.npz", store, rename={"dense.weight": "dense/kernel"}, transpose={"*/kernel": (1, 0)}
        )
        assert report.renamed == ["dense.weight -> dense/kernel"]
        assert np.array_equal(store["dense/kernel"].numpy(), weights.T)
        store["dense/kernel"].assign(np.zeros((2, 3)))


def test_archives_that_are_none(tmp_path):
    store = model("w")
    before = values(store)
    np.savez(tmp_path / "objects.npz", w=np.array([{}, None], dtype=object))
    np.savez(tmp_path / "whole.npz", w=np.zeros((2, 3), np.float32))
    data = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 255
    (tmp_path / "flipped.npz").write_bytes(flipped)
    import zipfile

    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:  # as torch.save writes them
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
    for name in ("objects.npz", "cut.npz", "flipped.npz", "model.pt"):
        with pytest.raises(ValueError, match=f"{name} is not a checkpoint"):
            av.load(tmp_path / name, store)
    same(values(store), before)


def test_a_mapping_of_arrays_and_a_function_for_the_layout():
    store = model("a/kernel", "b/kernel")
    source = {"a": np.ones((3, 2), np.float32), "b": np.arange(6, dtype=np.float32), "step": np.array(3)}
    report = av.load(
        source,
        store,
        rename={"a": "a/kernel", "b": "b/kernel", "step": None},
        transpose={"a/*": (1, 0), "b/*": lambda a: a.reshape(3, 2).T},
    )
    assert report.complete and len(report.loaded) == 2
    assert store["b/kernel"].numpy().tolist() == [[0, 2, 4], [1, 3, 5]]


def test_without_the_library_it_is_said_what_to_install(path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r'pip install "autograd-vs\[train\]"'):
        av.save(path, model("w"))


def test_weights_of_pytorch_compute_what_they_did_there():
    """`golden/pytorch_model.safetensors` was written by safetensors.torch from a state_dict, as it is."""
    with av.VariableStore() as store:
        for name, shape in {
            "conv/kernel": (3, 2, 2, 3), "conv/bias": (3,), "norm/gamma": (3,), "norm/beta": (3,),
            "norm/moving_mean": (3,), "norm/moving_variance": (3,), "fc/kernel": (3, 4), "fc/bias": (4,),
        }.items():  # fmt: skip
            av.get_variable(name, shape)
    report = av.load(
        GOLDEN / "pytorch_model.safetensors",
        store,
        rename={
            "conv.weight": "conv/kernel", "fc.weight": "fc/kernel",
            "norm.weight": "norm/gamma", "norm.bias": "norm/beta",
            "norm.running_mean": "norm/moving_mean", "norm.running_var": "norm/moving_variance",
            "norm.num_batches_tracked": None, "conv.": "conv/", "fc.": "fc/",
        },
        transpose={"conv*/kernel": (2, 3, 1, 0), "fc/kernel": (1, 0)},
    )  # fmt: skip
    assert len(report.loaded) == len(report.renamed) == 8 and report.complete
    case = json.loads((GOLDEN / "checkpoint.json").read_text())["cases"]["eval"]
    images = av.Tensor(np.array(case["x"], np.float32).transpose(0, 2, 3, 1))
    h = av.nn.conv2d(images, store["conv/kernel"], padding="valid") + store["conv/bias"]
    norm = [store[f"norm/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    y = av.nn.linear(av.mean(av.nn.relu(av.nn.batch_norm(h, *norm)), (1, 2)), store["fc/kernel"], store["fc/bias"])
    np.testing.assert_allclose(y.numpy(), np.array(case["y"]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", ["pytorch_text.safetensors", "pytorch_text.npz"])
def test_a_language_model_of_pytorch(file):
    """LSTM with the gates in the order of `av.layers`, one bias for two; the table of words is the last layer, too."""
    load = safetensors_numpy.load_file if file.endswith("safetensors") else np.load
    weights = dict(load(GOLDEN / file))
    weights["lstm.bias"] = weights.pop("lstm.bias_ih_l0") + weights.pop("lstm.bias_hh_l0")
    with av.VariableStore() as store:
        words, norm = av.layers.Embedding(7, 4, name="words"), av.layers.LayerNorm(name="norm")
        rnn = av.layers.RNN(av.layers.LSTMCell(4, name="lstm"), return_sequences=True, name="rnn")

        def predict(ids):
            return words.attend(norm(rnn(words(ids))))

        predict(np.zeros((1, 1), np.int64))
    rename = {
        "embed.weight": words.weights[0].name, "norm.weight": "norm/gamma", "norm.bias": "norm/beta",
        "lstm.weight_ih_l0": "rnn/lstm/kernel", "lstm.weight_hh_l0": "rnn/lstm/recurrent_kernel", "lstm.": "rnn/lstm/",
    }  # fmt: skip
    if "out.weight" in weights:  # PyTorch's own dict has both names of tied weights
        rename["out.weight"] = None
    report = av.load(weights, store, rename=rename, transpose={"rnn/*kernel": (1, 0)})
    assert report.complete and len(report.loaded) == 6
    case = json.loads((GOLDEN / "checkpoint.json").read_text())["cases"]["text"]
    np.testing.assert_allclose(predict(np.array(case["ids"])).numpy(), case["y"], rtol=1e-5, atol=1e-6)


def test_bfloat16_of_pytorch():
    with av.VariableStore():
        v = av.get_variable("numbers", (2, 3))
    av.load(GOLDEN / "pytorch_bfloat16.safetensors", v, cast=True)
    wanted = json.loads((GOLDEN / "checkpoint.json").read_text())["cases"]["bfloat16"]
    assert v.numpy().tolist() == wanted
