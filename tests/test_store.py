"""VariableStore: seeds, tables, readers."""

import subprocess
import sys

import numpy as np
import pytest

import autograd_vs as av


@pytest.fixture
def store():
    with av.VariableStore(seed=0) as store:
        yield store


def test_it_is_read_as_a_dict(store):
    v = av.get_variable("a/v", (2, 3))
    w = av.get_variable("w", (), "int32")
    assert store["a/v"] is store["a/v:0"] is v
    assert "a/v" in store and "a/v:0" in store and "v" not in store and 3 not in store
    assert list(store) == ["a/v", "w"] and len(store) == 2 and bool(store)
    assert store.variables() == [v, w] or [x is y for x, y in zip(store.variables(), (v, w), strict=True)]
    plain = av.Variable(1.0, name="plain")
    assert "plain" not in store and len(store) == 2
    with pytest.raises(KeyError, match="plain Variable has it"):
        store["plain"]
    assert plain.name == "plain:0"
    assert bool(av.VariableStore())


def test_initial_values_depend_on_seed_and_full_name_only():
    def values(store, names):
        with store:
            return {name: av.get_variable(name, (50,)).numpy() for name in names}

    first = values(av.VariableStore(seed=3), ("a/v", "a/w", "v"))
    second = values(av.VariableStore(seed=3), ("v", "other", "a/w", "a/v"))
    third = values(av.VariableStore(seed=4), ("v", "a/v"))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert not any(np.array_equal(first[name], x) for other, x in second.items() if other != name)
    assert not np.array_equal(first["v"], third["v"])


def test_the_global_seed_is_the_default(seed):
    def value():
        with av.VariableStore() as store:
            return store.seed, av.get_variable("v", (5,)).numpy().tolist()

    seed(7)
    one, two = value(), value()
    assert one == two and one[0] == 7
    seed(8)
    assert value() != one
    with av.VariableStore(seed=7):
        assert av.get_variable("v", (5,)).numpy().tolist() == one[1]


def test_without_any_seed_one_is_drawn_and_shown(seed):
    seed(None)
    one, two = av.VariableStore(), av.VariableStore()
    assert one.seed != two.seed and one.seed == one.seed
    with one:
        v = av.get_variable("v", (5,))
    with av.VariableStore(seed=one.seed):
        np.testing.assert_array_equal(av.get_variable("v", (5,)).numpy(), v.numpy())
    assert str(one.seed) in repr(one)


def test_initial_values_are_the_same_in_another_process():
    code = (
        "import autograd_vs as av\n"
        "with av.VariableStore(seed=1):\n"
        "    print(av.get_variable('a/v', (3,)).numpy().tobytes().hex())"
    )
    with av.VariableStore(seed=1):
        here = av.get_variable("a/v", (3,)).numpy().tobytes().hex()
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == here
    )


def test_seeds_are_checked():
    for wrong in (-1, 1.5, "1", True):
        with pytest.raises(ValueError, match="seed"):
            av.VariableStore(seed=wrong)
    assert av.VariableStore(seed=np.int64(3)).seed == 3


def test_tables(store):
    av.get_variable("layer/kernel", (2, 3))
    av.get_variable("step>1", (), "int64")
    assert repr(store) == "VariableStore(seed=0): 2 variables, 7 numbers"
    assert str(store).splitlines()[1:] == [
        "name          shape   dtype    size  trainable",
        "layer/kernel  (2, 3)  float32     6  yes",
        "step>1        ()      int64       1  no",
    ]
    html = store._repr_html_()
    assert "<td>layer/kernel</td><td>(2, 3)</td><td>float32</td><td>6</td><td>yes</td>" in html
    assert "step&gt;1" in html and html.count("<tr>") == 3
    assert str(av.VariableStore(seed=0)).endswith("size  trainable")


def encoder():
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return av.get_variable("w", ())


def test_readers_by_name_scope(store):
    for head in ("classify", "reconstruct"):
        for _ in range(3):
            with av.GradientTape(), av.name_scope(head):
                encoder()
    assert store.readers == {"encoder/w": ["classify/encoder", "reconstruct/encoder"]}


def test_readers_by_calling_function(store):
    def classify():
        return encoder()

    def reconstruct():
        return encoder()

    for _ in range(2):
        classify(), reconstruct()
    one, two = store.readers["encoder/w"]
    assert "classify:" in one and one.rpartition(" > ")[2].startswith("encoder:")
    assert "reconstruct:" in two


def test_scope_arguments_are_checked(store):
    with pytest.raises(TypeError, match="prefix or a compiled"):
        store.variables(3)
    assert store.variables("") == []
