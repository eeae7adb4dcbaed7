"""The semantics of variable scopes, sentence by sentence: those of tf.compat.v1, run eagerly.

Each test carries the number of its rule. `test_scopes_mutations.py` switches the rules off one by one and wants the
tests of that number to fail, so the tests take no fixtures except the fresh store that every test gets.
"""

import asyncio
import contextlib
import contextvars
import gc
import re
import threading
import warnings

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.state import context


@pytest.fixture(autouse=True)
def fresh_store():
    with av.VariableStore(seed=0) as store:
        yield store
    assert context.scopes.top() is None


def raises(kind, *pieces):
    """`kind` is raised, and its message has all of `pieces`."""
    return pytest.raises(kind, match="(?s)" + "".join(f"(?=.*{re.escape(str(piece))})" for piece in pieces))


def names(variables):
    return [v.name for v in variables]


def scope_name():
    return av.get_variable_scope().name


def op_scope():
    """The name scope that an op has here."""
    return (av.Tensor(np.ones(2)) + 1.0).name.rpartition("add")[0]


def variable_in(scope, name="v", shape=(), **arguments):
    with av.variable_scope(scope):
        return av.get_variable(name, shape, **arguments)


# ---------------------------------------------------------------- names


def test_rule_01_scopes_nest_as_directories():
    with av.variable_scope("a"):
        with av.variable_scope("b"):
            v = av.get_variable("v", (2,))
        w = av.get_variable("w", (2,))
    assert (v.name, w.name, av.get_variable("u", ()).name) == ("a/b/v:0", "a/w:0", "u:0")
    assert v.op.name == "a/b/v"
    assert list(av.current_store()) == ["a/b/v", "a/w", "u"]


def test_rule_02_get_variable_ignores_name_scopes():
    with av.variable_scope("a"), av.name_scope("n"):
        v = av.get_variable("v", ())
        plain = av.Variable(1.0, name="v")
        assert v.name == "a/v:0"
        assert (1.0 + v).name == "a/n/add:0"
        assert plain.name == "a/n/v:0"
        assert av.Variable(1.0).name == "a/n/Variable:0"


def test_rule_03_a_variable_scope_opens_a_name_scope():
    with av.variable_scope("foo") as foo:
        assert op_scope() == "foo/"
        assert foo.original_name_scope == "foo/"
    with av.variable_scope("foo", auxiliary_name_scope=False), av.variable_scope("bar", auxiliary_name_scope=False):
        assert op_scope() == ""
        assert av.get_variable("v", ()).name == "foo/bar/v:0"
    with av.name_scope("n"), av.variable_scope("foo"):
        assert op_scope() == "n/foo/"


def test_rule_03_a_captured_scope_leaves_the_name_scope():
    with av.variable_scope("foo") as foo:
        pass
    with av.variable_scope("bar"):
        with av.variable_scope(foo) as again:
            assert op_scope() == "bar/"
            assert again.original_name_scope == "foo/"
            with av.name_scope(foo.original_name_scope):
                assert op_scope() == "foo/"
                with av.name_scope("n"):
                    assert op_scope() == "foo/n/"


def test_rule_04_op_names_are_unique_within_a_record():
    v = av.Variable(1.0, name="v")
    with av.GradientTape():
        with av.name_scope("a"):
            adds = [(v + 1.0), (v + 1.0), (v + 1.0)]
        with av.name_scope("foo") as first:
            x = v + 1.0
        with av.name_scope("foo") as second:
            y = v + 1.0
        with av.name_scope(first):
            z = v + 1.0
        with av.name_scope("foo") as third:
            pass
        assert [t.name for t in adds] == ["a/add:0", "a/add_1:0", "a/add_2:0"]
        assert (first, second, third) == ("foo/", "foo_1/", "foo_2/")
        assert (x.name, y.name, z.name) == ("foo/add:0", "foo_1/add:0", "foo/add_1:0")
    with av.GradientTape():  # the next record counts anew
        with av.variable_scope("foo"):
            assert (v + 1.0).name == "foo/add:0"
        with av.variable_scope("foo") as foo:
            assert (v + 1.0).name == "foo_1/add:0"
            assert foo.original_name_scope == "foo_1/"
            assert foo.name == "foo"


def test_rule_04_variables_never_take_the_numbers():
    with av.GradientTape():
        for _ in range(3):
            with av.name_scope("foo") as prefix, av.name_scope("bar"):
                assert av.Variable(1.0, name="v").name == "foo/bar/v:0"
            with av.name_scope(prefix):
                assert av.Variable(1.0, name="v").name == "foo/v:0"
        assert prefix == "foo_2/"


def test_rule_04_outside_of_a_record_nothing_is_counted():
    v = av.Variable(1.0)
    for _ in range(3):
        with av.name_scope("foo") as prefix:
            assert [(v + 1.0).name, (v + 1.0).name] == ["foo/add:0", "foo/add:0"]
        assert prefix == "foo/"


def test_rule_05_a_taken_name_gets_a_number_until_it_is_free():
    one, two, three = (av.Variable(1.0, name="v") for _ in range(3))
    assert names([one, two, three]) == ["v:0", "v_1:0", "v_2:0"]
    del two
    gc.collect()
    assert av.Variable(1.0, name="v").name == "v_1:0"
    shared = av.get_variable("w", ())
    assert av.Variable(1.0, name="w").name == "w_1:0"
    del shared, one, three
    gc.collect()
    assert av.Variable(1.0, name="v").name == "v:0"
    assert av.Variable(1.0, name="w").name == "w_1:0"  # the store holds the shared one


def test_rule_05_get_variable_never_renames():
    plain = av.Variable(np.zeros((2, 3)), name="v")
    for reuse in (None, True, av.AUTO_REUSE):
        with av.variable_scope("", reuse=reuse):
            with raises(ValueError, "'v:0'", "(2, 3)", "test_scopes.py", plain.created_at):
                av.get_variable("v", (2, 3))
    assert "v" not in av.current_store()


def test_rule_06_a_name_may_have_slashes():
    v = av.get_variable("a/b", ())
    assert v.name == "a/b:0"
    with av.variable_scope("a", reuse=True):
        assert av.get_variable("b") is v
    with av.variable_scope("x"):
        assert av.get_variable("y/z", ()).name == "x/y/z:0"


def test_rule_06_only_some_characters_are_allowed():
    for good in ("a", "A.b", ".hidden", "0", "a-b", "a>b", "a\\b", "a_b/c"):
        assert av.get_variable(good, ()).op.name == good
    for bad in ("", "_a", "-a", "a b", "a:0", "a$", "ä", "a\n", "__metadata__", ">", "/a"):
        with pytest.raises(ValueError):
            av.get_variable(bad, ())
        with pytest.raises(ValueError):
            av.Variable(1.0, name=bad)
    with av.variable_scope("in"):
        for bad in ("", "a b", "__metadata__"):
            with pytest.raises(ValueError):
                av.get_variable(bad, ())
    with pytest.raises(ValueError), av.variable_scope("a b"):
        pass
    with pytest.raises(ValueError), av.name_scope("a b"):
        pass
    assert scope_name() == "" and op_scope() == ""


def block():
    with av.variable_scope(None, default_name="blk"):
        return av.get_variable("w", ())


def test_rule_07_default_names_are_numbered_within_their_parent():
    with av.variable_scope("net"):
        assert names([block(), block(), block()]) == ["net/blk/w:0", "net/blk_1/w:0", "net/blk_2/w:0"]
        with av.variable_scope("inner"):
            assert block().name == "net/inner/blk/w:0"
        assert block().name == "net/blk_3/w:0"
    with av.variable_scope("other"):
        with av.variable_scope("blk"):
            pass
        assert block().name == "other/blk_1/w:0"  # a name that was opened by itself counts too


def test_rule_07_the_count_starts_again_when_the_parent_is_entered_anew():
    first = []
    for reuse in (None, True, av.AUTO_REUSE):
        with av.variable_scope("net", reuse=reuse) as net:
            variables = [block(), block()]
        assert names(variables) == ["net/blk/w:0", "net/blk_1/w:0"]
        first = first or variables
        assert all(v is w for v, w in zip(variables, first, strict=True))
    with av.variable_scope(net, reuse=True):
        assert block() is first[0]


def test_rule_07_at_the_root_the_count_goes_on():
    store = av.current_store()
    assert names([block(), block()]) == ["blk/w:0", "blk_1/w:0"]
    with av.VariableStore():
        assert block().name == "blk/w:0"  # counters of its own
    with store:
        assert block().name == "blk_2/w:0"
    with av.variable_scope(""):
        assert block().name == "blk_3/w:0"


def test_rule_07_default_names_at_the_root_warn_once_after_training_has_begun():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        v = block()
        block()
        assert not caught
        v.assign_add(1.0)
        with av.variable_scope("named"):
            block()
        av.get_variable("w", ())
        assert not caught
        block()
        block()
    (warning,) = caught
    assert warning.category is av.ScopeWarning
    assert warning.filename == __file__
    with av.VariableStore():
        block().assign(1.0)
        with pytest.warns(av.ScopeWarning, match="blk_1/inner/w:0"):
            with av.variable_scope(None, "blk"), av.variable_scope("inner"):
                av.get_variable("w", ())
    for way_out in ("blk_2/w:0", "variable_scope(", "make_template", "VariableStore"):
        assert way_out in str(warning.message)


def test_rule_07_a_scope_needs_a_name():
    with raises(TypeError, "default_name"):
        av.variable_scope(None)
    with raises(TypeError, "3"):
        av.variable_scope(3)
    with av.variable_scope("a", default_name="b") as a:
        assert a.name == "a"


def test_rule_07_the_empty_name_is_the_root():
    with av.variable_scope("") as root:
        assert root.name == "" and av.get_variable("v", ()).name == "v:0"
    with av.variable_scope("a", reuse=av.AUTO_REUSE), av.variable_scope("") as root:
        assert root.name == "" and av.get_variable("v").name == "v:0"


# ---------------------------------------------------------------- reuse


def test_rule_08_without_reuse_variables_are_made():
    for reuse in (None, False):
        with av.variable_scope("a", reuse=reuse):
            name = f"v_{reuse}"
            av.get_variable(name, ())
            assert av.get_variable_scope().reuse is False
            with raises(ValueError, f"a/{name}:0", "exists already"):
                av.get_variable(name, ())


def test_rule_08_with_reuse_they_are_returned():
    v = variable_in("a")
    with av.variable_scope("a", reuse=True):
        assert av.get_variable("v", ()) is v
        assert av.get_variable_scope().reuse is True
        with raises(ValueError, "a/w:0", "does not exist"):
            av.get_variable("w", ())
    assert names(av.global_variables()) == ["a/v:0"]


def test_rule_08_auto_reuse_makes_or_returns():
    with av.variable_scope("a", reuse=av.AUTO_REUSE):
        v = av.get_variable("v", ())
        assert av.get_variable("v", ()) is v
        assert av.get_variable_scope().reuse is av.AUTO_REUSE
    assert repr(av.AUTO_REUSE) == "AUTO_REUSE"


def test_rule_08_any_other_value_is_an_error():
    for wrong in ("True", 1, 0, "AUTO_REUSE", [], np.True_):
        with raises(ValueError, repr(wrong), "AUTO_REUSE"):
            av.variable_scope("a", reuse=wrong)


def test_rule_09_reuse_is_inherited_and_cannot_be_switched_off():
    v = variable_in("a/b")
    for inner in (None, False, True):
        with av.variable_scope("a", reuse=True), av.variable_scope("b", reuse=inner):
            assert av.get_variable_scope().reuse is True
            assert av.get_variable("v") is v
    with av.variable_scope("a", reuse=av.AUTO_REUSE), av.variable_scope("b", reuse=False):
        assert av.get_variable("v") is v and av.get_variable("w", ()).name == "a/b/w:0"


def test_rule_09_a_given_reuse_wins_for_that_scope_and_below():
    variable_in("a/b")
    with av.variable_scope("a", reuse=av.AUTO_REUSE):
        with av.variable_scope("b", reuse=True), av.variable_scope("c"):
            assert av.get_variable_scope().reuse is True
            with raises(ValueError, "does not exist"):
                av.get_variable("w", ())
        assert av.get_variable_scope().reuse is av.AUTO_REUSE
    with av.variable_scope("a", reuse=True), av.variable_scope("b", reuse=av.AUTO_REUSE), av.variable_scope("c"):
        av.get_variable("w", ())
    with av.variable_scope("a"):
        with av.variable_scope("b", reuse=True):
            pass
        assert av.get_variable_scope().reuse is False


def test_rule_10_reuse_variables_holds_until_the_scope_is_left():
    with av.variable_scope("a") as a:
        v = av.get_variable("v", ())
        av.get_variable_scope().reuse_variables()
        assert av.get_variable("v") is v and a.reuse is True
        with av.variable_scope("b"):
            assert av.get_variable_scope().reuse is True
        with raises(ValueError, "does not exist"):
            av.get_variable("w", ())
    assert av.get_variable_scope().reuse is False
    with av.variable_scope("a"):
        assert av.get_variable_scope().reuse is False
        with raises(ValueError, "exists already"):
            av.get_variable("v", ())
        av.get_variable("w", ())
    with av.variable_scope("a") as a, av.variable_scope("b"):
        a.reuse_variables()  # an outer scope: the inner one took its own before
        assert av.get_variable_scope().reuse is False
        assert a.reuse is True


def test_rule_10_reuse_variables_works_at_the_root():
    v = av.get_variable("v", ())
    av.get_variable_scope().reuse_variables()
    assert av.get_variable("v") is v
    with av.variable_scope("a"):
        assert av.get_variable_scope().reuse is True
    with av.VariableStore():
        assert av.get_variable_scope().reuse is False

    def at_the_root_of_the_default_store():
        context.scopes.replace(None)
        with av.variable_scope("a"):
            outer = av.get_variable_scope()
        assert not outer.reuse
        av.get_variable_scope().reuse_variables()
        assert av.get_variable_scope().reuse is True
        with av.variable_scope("a"):
            assert av.get_variable_scope().reuse is True

    contextvars.copy_context().run(at_the_root_of_the_default_store)
    assert contextvars.Context().run(lambda: av.get_variable_scope().reuse) is False


def test_rule_11_a_captured_scope_jumps_to_its_own_name():
    with av.variable_scope("foo") as foo:
        v = av.get_variable("v", ())
    with av.variable_scope("bar", reuse=av.AUTO_REUSE), av.variable_scope("baz"):
        with av.variable_scope(foo) as again:
            assert again.name == "foo" and scope_name() == "foo"
            assert again.reuse is False  # not the surrounding one's
            with raises(ValueError, "foo/v:0", "exists already"):
                av.get_variable("v", ())
            assert av.get_variable("w", ()).name == "foo/w:0"
        with av.variable_scope(foo, reuse=True):
            assert av.get_variable("v") is v
        assert scope_name() == "bar/baz"
        assert av.get_variable_scope().reuse is av.AUTO_REUSE
    assert foo.reuse is False


def test_rule_11_a_captured_scope_brings_what_it_holds():
    def half(v):
        return v * 0.5

    def getter(getter, name, **request):
        return getter(name, **request)

    with av.variable_scope(
        "foo",
        reuse=av.AUTO_REUSE,
        initializer=av.initializers.constant(0.4),
        regularizer=half,
        constraint=half,
        dtype="float64",
        trainable=False,
        custom_getter=getter,
    ) as foo:
        pass
    with av.variable_scope("bar", initializer=av.initializers.ones, dtype="float32"), av.variable_scope(foo):
        v = av.get_variable("v", ())
        scope = av.get_variable_scope()
        assert (scope.reuse, scope.regularizer, scope.custom_getter) == (av.AUTO_REUSE, half, getter)
    assert (v.name, v.item(), v.dtype, v.trainable) == ("foo/v:0", 0.4, np.float64, False)
    assert v.regularizer is half and v.constraint is half
    with av.variable_scope(foo, initializer=av.initializers.zeros):
        assert av.get_variable("w", ()).item() == 0
    with av.variable_scope("a") as a:
        a.reuse_variables()
    with av.variable_scope(a):
        assert av.get_variable_scope().reuse is True


def test_rule_12_on_reuse_shape_and_dtype_must_fit():
    v = variable_in("a", shape=(3, 4))
    with av.variable_scope("a", reuse=True):
        assert av.get_variable("v") is v
        assert av.get_variable("v", [3, 4], "float32") is v
        with raises(ValueError, "a/v:0", "(3, 4)", "(4, 3)", v.created_at):
            av.get_variable("v", (4, 3))
        with raises(ValueError, "a/v:0", "float32", "float64", v.created_at):
            av.get_variable("v", dtype="float64")
    with av.variable_scope("a", reuse=av.AUTO_REUSE), raises(ValueError, "(3, 4)", "(3,)"):
        av.get_variable("v", 3)


def test_rule_12_the_rest_is_ignored_on_reuse():
    v = variable_in("a")
    value = v.numpy()
    with av.variable_scope("a", reuse=True):
        again = av.get_variable(
            "v", initializer=av.initializers.ones, regularizer=abs, trainable=False, constraint=abs, dtype=np.float32
        )
    assert again is v and v.numpy() == value
    assert (v.regularizer, v.constraint, v.trainable) == (None, None, True)
    assert not av.current_store().regularization_losses()


def test_rule_13_reuse_of_a_scope_is_not_reuse_of_variables():
    variable_in("foo")
    with av.variable_scope("foo") as foo:
        assert foo.name == "foo"
        with raises(ValueError, "foo/v:0", "exists already"):
            av.get_variable("v", ())
        assert av.get_variable("w", ()).name == "foo/w:0"


def test_rule_14_two_lookups_give_the_same_object():
    v1 = variable_in("a", shape=(2,))
    with av.variable_scope("a", reuse=True):
        v = av.get_variable("v")
    assert v1 is v
    v.assign([3.0, 4.0])
    assert v1.numpy().tolist() == [3.0, 4.0]
    assert av.current_store()["a/v"] is v


# ---------------------------------------------------------------- creating


def test_rule_15_initializers():
    asked = []

    def mine(shape, dtype):
        asked.append((shape, dtype))
        return np.full(shape, 2.0)

    v = av.get_variable("mine", [2, 3], "float64", mine)
    assert asked == [((2, 3), np.dtype("float64"))] and v.dtype == np.float64 and (v.numpy() == 2).all()
    assert v.initializer is mine
    assert av.get_variable("object", (2,), initializer=av.initializers.constant(3)).numpy().tolist() == [3, 3]
    assert av.get_variable("bare", (2,), initializer=av.initializers.ones).numpy().tolist() == [1, 1]

    class Mine:
        def __call__(self, shape, dtype):
            return np.ones(shape)

    assert av.get_variable("class", (2,), initializer=Mine).numpy().tolist() == [1, 1]
    array = np.arange(6.0).reshape(2, 3)
    v = av.get_variable("array", initializer=array)
    assert v.shape == (2, 3) and v.dtype == np.float64
    array[0, 0] = 7.0
    assert v.numpy()[0, 0] == 0, "the array was copied"
    assert av.get_variable("list", initializer=[1.0, 2.0]).dtype == np.float32
    assert av.get_variable("number", initializer=1.5).numpy() == np.float32(1.5)
    assert av.get_variable("cast", dtype="float32", initializer=array).dtype == np.float32
    assert av.get_variable("tensor", initializer=av.Tensor(array)).shape == (2, 3)
    with raises(ValueError, "both:0", "(2, 3)"):
        av.get_variable("both", (2, 3), initializer=array)
    assert "both" not in av.current_store()


def test_rule_15_the_default_initializer():
    v = av.get_variable("v", (300, 200))
    limit = np.sqrt(6 / 500)
    assert v.dtype == np.float32
    assert 0.98 * limit < abs(v.numpy()).max() <= limit and abs(v.numpy().mean()) < 0.01 * limit
    for dtype in ("int32", "bool", "uint8"):
        w = av.get_variable(f"w_{dtype}", (3,), dtype)
        assert w.dtype == dtype and not w.numpy().any()
    with av.variable_scope("a", initializer=av.initializers.ones):
        assert av.get_variable("v", ()).item() == 1
        assert av.get_variable("n", (), "int32").item() == 1


def test_rule_15_errors_leave_no_half_made_variable():
    with raises(ValueError, "a/v:0", "shape"), av.variable_scope("a"):
        av.get_variable("v")
    with raises(ValueError, "w:0", "(3,)", "(2,)"):
        av.get_variable("w", (2,), initializer=lambda shape, dtype: np.zeros(3))
    with raises(ValueError, "-1"):
        av.get_variable("w", (2, -1))
    with raises(ValueError, "None"):
        av.get_variable("w", (2, None))
    with raises(ZeroDivisionError):
        av.get_variable("w", (2,), initializer=lambda shape, dtype: 1 / 0)
    with raises(TypeError, "complex"):
        av.get_variable("w", (2,), initializer=lambda shape, dtype: np.zeros(2, complex))
    assert len(av.current_store()) == 0
    assert av.get_variable("w", (2,)).name == "w:0"


def test_rule_16_scope_defaults_are_inherited_and_overridden():
    c = av.initializers.constant

    def value(name, **arguments):
        return round(av.get_variable(name, (), **arguments).item(), 6)

    with av.variable_scope("outer", initializer=c(0.4)):
        assert value("v") == 0.4
        assert value("w", initializer=c(0.3)) == 0.3
        with av.variable_scope("inner"):
            assert value("v") == 0.4
        with av.variable_scope("other", initializer=c(0.2)):
            assert value("v") == 0.2
        assert value("u") == 0.4


def test_rule_16_all_defaults():
    def first(v):
        return v

    def second(v):
        return v

    with (
        av.variable_scope("a", dtype="float64", trainable=False, regularizer=first, constraint=first),
        av.variable_scope("b"),
    ):
        v = av.get_variable("v", ())
        assert (v.dtype, v.trainable, v.regularizer, v.constraint) == (np.float64, False, first, first)
        w = av.get_variable("w", (), "float32", trainable=True, regularizer=second, constraint=second)
        assert (w.dtype, w.trainable, w.regularizer, w.constraint) == (np.float32, True, second, second)
        with av.variable_scope("c", dtype="float16", trainable=True, regularizer=second, constraint=second):
            u = av.get_variable("u", ())
            assert (u.dtype, u.trainable, u.regularizer, u.constraint) == (np.float16, True, second, second)


def test_rule_16_setters_hold_for_the_rest_of_the_scope():
    def getter(getter, name, **request):
        return getter(name + "_got", **request)

    def regularizer(v):
        return v

    with av.variable_scope("a") as a:
        before = av.get_variable("before", ())
        scope = av.get_variable_scope()
        scope.set_initializer(av.initializers.ones)
        scope.set_regularizer(regularizer)
        scope.set_dtype("float64")
        v = av.get_variable("v", ())
        with av.variable_scope("b"):
            assert av.get_variable("v", ()).item() == 1
        scope.set_custom_getter(getter)
        assert av.get_variable("w", ()).name == "a/w_got:0"
        assert (scope.initializer, scope.regularizer, scope.dtype, scope.custom_getter) == (
            av.initializers.ones, regularizer, np.float64, getter
        )  # fmt: skip
        assert a.initializer is scope.initializer
    assert before.dtype == np.float32 and before.regularizer is None
    assert (v.item(), v.dtype, v.regularizer) == (1.0, np.float64, regularizer)
    with av.variable_scope("a"):
        assert av.get_variable("u", ()).dtype == np.float32


def test_rule_16_variables_are_listed_in_the_order_of_creation():
    for name in ("b/v", "a/v", "b/w", "ba/v"):
        av.get_variable(name, (), trainable=name != "b/w")
    assert names(av.global_variables()) == ["b/v:0", "a/v:0", "b/w:0", "ba/v:0"]
    assert names(av.global_variables("b")) == names(av.global_variables("b/")) == ["b/v:0", "b/w:0"]
    assert names(av.trainable_variables()) == ["b/v:0", "a/v:0", "ba/v:0"]
    assert names(av.trainable_variables("b")) == ["b/v:0"]
    assert names(av.global_variables(re.compile("b.*v"))) == ["b/v:0", "ba/v:0"]
    with av.VariableStore():
        assert av.global_variables() == []


def test_rule_17_one_term_per_variable():
    def square(v):
        return v * v

    store = av.current_store()
    with av.variable_scope("a", regularizer=square, initializer=av.initializers.constant(3.0)):
        v = av.get_variable("v", ())
        av.get_variable("bias", (), regularizer=av.no_regularizer)
        with av.variable_scope("off", regularizer=av.no_regularizer):
            av.get_variable("v", ())
            with av.variable_scope("below"):
                av.get_variable("v", ())
    with av.variable_scope("a", reuse=True, regularizer=square):
        av.get_variable("v", regularizer=square)
    with av.variable_scope("b", regularizer=lambda v: None):
        av.get_variable("v", ())
    av.get_variable("b/w", (), initializer=av.initializers.constant(1.0), regularizer=square)
    assert [t.item() for t in store.regularization_losses()] == [9.0, 1.0]
    assert [t.item() for t in store.regularization_losses("a")] == [9.0]
    v.assign(2.0)
    with av.GradientTape() as tape:
        (term,) = store.regularization_losses("a")
    assert term.item() == 4.0 and tape.gradient(term, v).item() == 4.0


def test_rule_18_custom_getters_wrap():
    calls = []

    def outer(getter, name, **request):
        calls.append(("outer", name, request["shape"]))
        return getter(name, **request)

    def inner(getter, name, *args, **request):
        calls.append(("inner", name, request["shape"]))
        return getter(name + "_renamed", *args, **request)

    with av.variable_scope("a", custom_getter=outer), av.variable_scope("b", custom_getter=inner):
        assert av.get_variable("v", (2,)).name == "a/b/v_renamed:0"
    assert calls == [("inner", "a/b/v", (2,)), ("outer", "a/b/v_renamed", (2,))]


def test_rule_18_what_a_custom_getter_may_do():
    averages = {}

    def replace(getter, name, **request):
        v = getter(name)  # what it leaves out stays as it was asked for
        return averages.setdefault(name, v * 10.0)

    def freeze(getter, name, **request):
        return getter(name, trainable=False)

    def refuse(getter, name, **request):
        raise PermissionError(name)

    def positional(getter, name, *args, **request):
        return getter(name, (3,))

    one = av.initializers.ones
    with av.variable_scope("a", custom_getter=replace, initializer=one):
        assert av.get_variable("v", (2,)).numpy().tolist() == [10.0, 10.0]
        assert isinstance(av.current_store()["a/v"], av.Variable)
    with av.variable_scope("b", custom_getter=freeze):
        assert not av.get_variable("v", ()).trainable
    with av.variable_scope("c", custom_getter=refuse), raises(PermissionError, "c/v"):
        av.get_variable("v", ())
    with av.variable_scope("d", custom_getter=positional):
        assert av.get_variable("v", (2,)).shape == (3,)
    with av.variable_scope("e", reuse=av.AUTO_REUSE, custom_getter=lambda getter, **request: getter(**request)):
        assert av.get_variable("v", ()) is av.get_variable("v", ())


def test_rule_19_trainable():
    store = av.current_store()
    v = av.get_variable("v", (), initializer=av.initializers.ones)
    frozen = av.get_variable("frozen", (), initializer=av.initializers.ones, trainable=False)
    assert names(store.trainable_variables()) == ["v:0"]
    with av.GradientTape() as tape:
        y = v * frozen
    assert names(tape.watched_variables()) == ["v:0"]
    assert tape.gradient(y, [v, frozen])[1] is None
    with av.GradientTape() as tape:
        tape.watch(frozen)
        y = v * frozen
    assert tape.gradient(y, frozen).item() == 1.0


def test_rule_19_a_change_counts_from_the_next_tape_on():
    v = av.get_variable("v", (), initializer=av.initializers.ones)
    with av.GradientTape(persistent=True) as tape:
        y = v * 2.0
        v.trainable = False
        z = v * 3.0
    assert av.trainable_variables() == []
    assert (tape.gradient(y, v).item(), tape.gradient(z, v).item()) == (2.0, 3.0)
    with av.GradientTape() as tape:
        y = v * 2.0
        v.trainable = True
        z = y + v * 2.0
    assert tape.gradient(z, v) is None
    with av.GradientTape() as tape:
        y = v * 2.0
    assert tape.gradient(y, v).item() == 2.0


def scaled(x, by=2.0):
    return x * by * av.get_variable("factor", (), initializer=av.initializers.constant(3.0))


def test_rule_20_a_template_makes_at_the_first_call_and_shares_later():
    net = av.make_template("net", scaled)
    assert len(av.current_store()) == 0
    with av.variable_scope("first"):
        assert net(1.0).item() == 6.0
    with av.variable_scope("second"):
        assert net(2.0).item() == 12.0
    assert names(net.variables) == names(av.global_variables()) == ["first/net/factor:0"]
    again = av.make_template("net", scaled, by=10.0)
    assert again(1.0).item() == 30.0 and again(1.0, by=1.0).item() == 3.0
    third = av.make_template("net", scaled)
    third(1.0)
    assert names([*again.variables, *third.variables]) == ["net/factor:0", "net_1/factor:0"]


def test_rule_20_options_of_templates():
    with av.variable_scope("a"):
        now = av.make_template("net", scaled, create_scope_now_=True)
        later = av.make_template("net", scaled)
    now(1.0)
    later(1.0)
    assert names(av.global_variables()) == ["a/net/factor:0", "net/factor:0"]
    unique = av.make_template("u", scaled, unique_name_="exact")
    unique(1.0)
    assert unique.variables[0].name == "exact/factor:0"
    with raises(ValueError, "exact/factor:0"):
        av.make_template("u", scaled, unique_name_="exact")(1.0)

    def grows(name):
        return av.get_variable(name, ())

    template = av.make_template("grows", grows)
    template("v")
    with raises(ValueError, "grows/w:0", "does not exist"):
        template("w")


def test_rule_20_templates_stores_and_failures():
    net = av.make_template("net", scaled)
    net(1.0)
    with av.VariableStore() as other:
        net(1.0)
        net(1.0)
    assert names(other.variables()) == ["net/factor:0"]
    av.current_store().reset()
    net(1.0)

    def fails(wrong):
        av.get_variable("v", ())
        return 1 / 0 if wrong else av.get_variable("w", ())

    template = av.make_template("fails", fails)
    with pytest.raises(ZeroDivisionError):
        template(True)
    assert template(False) is template(False)


# ---------------------------------------------------------------- errors and state


def test_rule_21_what_exists_already():
    v = variable_in("net/layer", "kernel", (3, 4))
    line = v.created_at
    assert line.startswith(__file__)
    with raises(
        ValueError,
        "'net/layer/kernel:0'",
        "(3, 4)",
        line,
        "reuse=True",
        "AUTO_REUSE",
        "REBUILD",
        "VariableStore()",
        "reset()",
        "'net/layer'",
    ):
        variable_in("net/layer", "kernel", (3, 4))


def test_rule_21_what_does_not_exist():
    variable_in("layer", "kernel")
    with raises(ValueError, "'layer/kernal:0'", "Did you mean 'layer/kernel'?"), av.variable_scope("layer", reuse=True):
        av.get_variable("kernal")
    with pytest.raises(KeyError, match="Did you mean 'layer/kernel'"):
        av.current_store()["layer/kernal"]


def everything():
    """All that a `with` changes."""
    scope = av.get_variable_scope()
    return scope.name, scope.reuse, scope.defaults, op_scope(), av.current_store()


def test_rule_22_an_exception_restores_everything():
    with av.variable_scope("a", reuse=av.AUTO_REUSE), av.name_scope("n"):
        before = everything()
        for opened in (
            lambda: av.variable_scope("b", reuse=True),
            lambda: av.variable_scope(None, "b"),
            lambda: av.name_scope("m"),
            lambda: av.VariableStore(),
            lambda: av.variable_scope(av.get_variable_scope(), reuse=True),
        ):
            with pytest.raises(ZeroDivisionError), opened(), av.variable_scope("deep"):
                assert everything() != before
                raise ZeroDivisionError
            assert everything() == before
        with pytest.raises(ValueError), av.variable_scope("not allowed"):
            pass
        assert everything() == before


def suspended(scope="inside"):
    with av.variable_scope(scope, reuse=True):
        yield scope_name()


def test_rule_22_improper_nesting_is_an_error_that_leaves_the_callers_scope():
    with av.variable_scope("caller"):
        before = everything()
        generator = suspended()
        with pytest.raises(RuntimeError, match="out of order"), av.variable_scope("outer"):
            assert next(generator) == "caller/outer/inside"
        assert everything() == before
        with pytest.raises(RuntimeError, match="out of order"):
            next(generator)
        assert everything() == before

        one, two = suspended("one"), suspended("two")
        next(one)
        next(two)
        with pytest.raises(RuntimeError, match="out of order"):
            next(one)
        assert everything() == before
        two.close()  # quiet: an exception is on its way already
        assert everything() == before

        for opened in (lambda: av.name_scope("m"), av.VariableStore, av.GradientTape):
            generator = suspended()
            with pytest.raises(RuntimeError, match="out of order"), opened():
                next(generator)
            assert everything() == before
            generator.close()
            assert everything() == before


def test_rule_22_a_name_scope_left_open_in_a_captured_scope():
    def names_only():
        with av.name_scope("inside"):
            yield

    with av.variable_scope("caller") as caller, av.name_scope("ops"):
        before = everything()
        for scope in (caller, "", "b"):
            generator = names_only()
            with (
                pytest.raises(RuntimeError, match="out of order"),
                av.variable_scope(scope, auxiliary_name_scope=False),
            ):
                next(generator)
            assert everything() == before
            generator.close()
            assert everything() == before


@contextlib.contextmanager
def model(name):
    with av.variable_scope(name, reuse=av.AUTO_REUSE), av.name_scope("ops"):
        yield scope_name()


def test_rule_22_contextmanager_helpers_work():
    before = everything()
    with model("a") as name, model("b") as inner:
        assert (name, inner, scope_name(), op_scope()) == ("a", "a/b", "a/b", "a/ops/b/ops/")
        assert av.get_variable("v", ()) is av.get_variable("v", ())
    assert everything() == before
    with pytest.raises(KeyError), model("a"):
        raise KeyError
    assert everything() == before
    with contextlib.ExitStack() as stack:
        assert [stack.enter_context(model(name)) for name in "xyz"][-1] == "x/y/z"
    assert everything() == before


def test_rule_22_async_tasks_do_not_see_each_others_scopes():
    async def task(name, seen):
        for _ in range(3):
            with av.variable_scope(name, reuse=av.AUTO_REUSE), av.name_scope("ops"):
                await asyncio.sleep(0)
                seen.append((scope_name(), op_scope(), av.get_variable("v", ()).name))
                with av.variable_scope(None, "blk"):
                    await asyncio.sleep(0)
                    seen.append(scope_name())
                av.get_variable_scope().reuse_variables()
                await asyncio.sleep(0)
            with av.variable_scope(None, "own"):
                await asyncio.sleep(0)
                seen.append(scope_name())
        av.get_variable_scope().reuse_variables()  # of the surrounding scope, in this task only

    async def main():
        logs = {name: [] for name in "abc"}
        with av.variable_scope("main"):
            before = everything()
            await asyncio.gather(*(task(name, seen) for name, seen in logs.items()))
            assert everything() == before
        return logs

    for name, seen in asyncio.run(main()).items():
        here = (f"main/{name}", f"main/{name}/ops/", f"main/{name}/v:0")
        block_name = f"main/{name}/blk"
        assert seen == [here, block_name, "main/own", here, block_name, "main/own_1", here, block_name, "main/own_2"]


def test_rule_22_a_thread_starts_at_the_root_of_the_default_store():
    seen = []

    def work():
        seen.append((scope_name(), op_scope(), av.get_variable_scope().reuse, av.current_store()))
        with store, av.variable_scope("thread"):
            seen.append(av.get_variable("v", ()).name)

    store = av.current_store()
    with av.variable_scope("main", reuse=True), av.name_scope("ops"):
        thread = threading.Thread(target=work, name="worker", daemon=True)
        thread.start()
        thread.join()
        assert scope_name() == "main"
    default = contextvars.Context().run(av.current_store)
    assert seen == [("", "", False, default), "thread/v:0"]
    assert default is not store and "thread/v" in store and "thread/v" not in default


def test_rule_23_a_store_is_a_new_graph():
    v = variable_in("a")
    with av.variable_scope("a", reuse=True), av.name_scope("n"):
        with av.VariableStore() as store:
            assert (scope_name(), op_scope(), av.get_variable_scope().reuse) == ("", "", False)
            with av.variable_scope("a"):
                w = av.get_variable("v", ())
            assert w is not v and w.name == v.name
            assert av.Variable(1.0, name="p").name == "p:0"
            assert names(av.global_variables()) == ["a/v:0"]
            with av.VariableStore() as inner:
                assert av.current_store() is inner and not av.global_variables()
            assert av.current_store() is store
        assert (scope_name(), op_scope(), av.get_variable("v")) == ("a", "a/n/", v)
    with store, av.variable_scope("a", reuse=True):  # it can be entered again
        assert av.get_variable("v") is w
        with store:  # and inside of itself
            assert scope_name() == ""
        assert scope_name() == "a"


def test_rule_23_a_captured_scope_looks_its_names_up_in_the_open_store():
    with av.variable_scope("a") as a:
        v = av.get_variable("v", ())
    with av.VariableStore() as store, av.variable_scope(a):
        w = av.get_variable("v", ())
    assert w is store["a/v"] and w is not v


def test_rule_23_threads_share_a_store():
    store, found = av.current_store(), []
    barrier = threading.Barrier(8)

    def slow(shape, dtype):
        import time

        time.sleep(0.002)
        return np.ones(shape, dtype)

    def work():
        barrier.wait()
        with store, av.variable_scope("a", reuse=av.AUTO_REUSE):
            found.append([av.get_variable(f"v{i}", (), initializer=slow) for i in range(5)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(store) == 5
    assert all(v is w for row in found for v, w in zip(row, found[0], strict=True))


def test_rule_24_reset_forgets():
    store = av.current_store()
    v = variable_in("a", initializer=av.initializers.ones)
    plain = av.Variable(1.0, name="p")
    blocks = [block(), block()]
    store.reset()
    assert len(store) == 0 and store.variables() == [] and store.readers == {}
    w = variable_in("a", initializer=av.initializers.zeros)
    assert (w.name, av.Variable(2.0, name="p").name, block().name) == ("a/v:0", "p:0", "blk/w:0")
    v.assign_add(1.0)
    with av.GradientTape() as tape:
        y = v * plain
    assert tape.gradient(y, v).item() == 1.0
    assert (v.item(), w.item(), v.name, plain.name, len(blocks)) == (2.0, 0.0, "a/v:0", "p:0", 2)


def test_rule_24_reset_forgets_one_scope():
    store = av.current_store()
    kept = [variable_in(name) for name in ("ab", "b/a")]
    old, plain = variable_in("a/b"), None
    with av.name_scope("a"):
        plain = av.Variable(1.0, name="p")
    blocks = [block() for _ in range(2)]
    template = av.make_template("t", lambda: av.get_variable("v", ()))
    made = template()
    store.reset("a")
    assert store.variables() == [*kept, *(store[b.op.name] for b in blocks), made]
    assert "a/b/v" not in store.readers and old.name == "a/b/v:0"
    with av.name_scope("a"):
        assert av.Variable(2.0, name="p").name == plain.name == "a/p:0"
    store.reset("blk")
    assert block().name == "blk/w:0", "the default name is free again"
    store.reset("t")
    assert template() is not made and template().name == "t/v:0", "the next call makes it anew"
    store.reset(re.compile("b/"))
    assert kept[1] not in store.variables() and kept[0] in store.variables()


# ---------------------------------------------------------------- notebooks


def test_a_cell_that_is_run_again_rebuilds_or_shares_by_one_word():
    def cell(reuse):
        with av.variable_scope("model", reuse=reuse):
            return av.get_variable("v", ()), block()

    store = av.current_store()
    other = variable_in("models")
    first = cell(av.REBUILD)
    assert [v.name for v in first] == ["model/v:0", "model/blk/w:0"]
    again = cell(av.REBUILD)
    assert [v.name for v in again] == [v.name for v in first] and not {*again} & {*first}
    assert store.variables() == [other, *again]
    shared = cell(av.AUTO_REUSE)
    assert all(v is w for v, w in zip(shared, again, strict=True))
    with raises(ValueError, "'model/v:0' exists already", "reuse=av.REBUILD"):
        cell(None)


def test_rebuild_makes_as_without_reuse_and_holds_for_inner_scopes():
    variable_in("a/b")
    with av.variable_scope("a", reuse=av.REBUILD) as scope:
        assert scope.reuse is False
        v = variable_in("b")
        with raises(ValueError, "exists already"):
            variable_in("b")
    with av.variable_scope(scope, reuse=av.REBUILD):
        assert variable_in("b") is not v
    with av.variable_scope("", reuse=av.REBUILD):
        assert len(av.current_store()) == 0
    with av.variable_scope(None, "blk", reuse=av.REBUILD) as one, av.variable_scope(None, "blk") as two:
        assert (one.name, two.name) == ("blk", "blk/blk")
    with av.variable_scope(None, "blk", reuse=av.REBUILD) as one:
        assert one.name == "blk_1"


def test_rebuild_beside_a_scope_without_a_name():
    with av.VariableStore() as store:
        with av.variable_scope("", reuse=av.AUTO_REUSE):
            kept = av.get_variable("v", ())
        for _ in range(2):
            with av.variable_scope("a", reuse=av.REBUILD):
                av.get_variable("v", ())
        assert store.variables() == [kept, store["a/v"]]


def test_rebuild_never_forgets_what_is_shared_or_trained():
    v = variable_in("out/model")
    with av.variable_scope("out", reuse=True), raises(ValueError, "'out/model'", "reuse=True"):
        av.variable_scope("model", reuse=av.REBUILD).__enter__()
    with av.GradientTape(), raises(RuntimeError, "'out/model'", "training step"):
        av.variable_scope("out/model", reuse=av.REBUILD).__enter__()

    @av.function
    def step(x):
        with av.variable_scope("out/model", reuse=av.REBUILD):
            return x * 2.0

    with raises(RuntimeError, "is traced"):
        step(np.ones(2))
    assert av.current_store()["out/model/v"] is v and av.get_variable_scope().name == ""


def test_the_words_of_reuse_survive_copies_and_pickles():
    import copy
    import pickle

    for word in (av.AUTO_REUSE, av.REBUILD):
        assert copy.deepcopy(word) is word and pickle.loads(pickle.dumps(word)) is word


# ---------------------------------------------------------------- beside the rules


def test_tensorflows_dead_arguments_are_refused_with_advice():
    for key in ("collections", "use_resource", "partitioner", "values", "caching_device"):
        with raises(TypeError, "variable_scope", key, "Leave it out"):
            av.variable_scope("a", **{key: None})
        with raises(TypeError, "get_variable", key, "Leave it out"):
            av.get_variable("v", (), **{key: None})
    with raises(TypeError, "unexpected keyword argument 'shpe'"):
        av.get_variable("v", shpe=())
    with pytest.raises(TypeError):
        av.variable_scope("a", None, True)  # keyword-only after the default name


def test_names_that_tensorflows_users_look_for():
    for name in ("Session", "placeholder", "global_variables_initializer", "reset_default_graph", "gradients"):
        with raises(AttributeError, f"autograd_vs has no {name!r}"):
            getattr(av, name)
    with raises(AttributeError, "Did you mean 'variable_scope'"):
        av.variabel_scope  # noqa: B018
    assert not hasattr(av, "__nothing__")


def test_name_scopes():
    with av.name_scope("a"), av.name_scope("b") as prefix:
        assert prefix == "a/b/"
        for root in ("", None):
            with av.name_scope(root) as prefix:
                assert prefix == "" and op_scope() == ""
        with av.name_scope("x/y/") as prefix:
            assert prefix == "x/y/" and op_scope() == "x/y/"
        with av.name_scope("_inner") as prefix:
            assert prefix == "a/b/_inner/"
    with raises(TypeError, "3"):
        av.name_scope(3)
    scope = av.name_scope("again")
    with scope, scope:
        assert op_scope() == "again/again/"
    assert op_scope() == ""


def test_a_scope_can_be_opened_by_one_object_several_times():
    opened = av.variable_scope("a", reuse=av.AUTO_REUSE)
    with opened, opened as inner:
        assert inner.name == "a/a"
    with opened as scope:
        assert scope.name == "a" and repr(scope) == "<VariableScope 'a', reuse=AUTO_REUSE>"
    with av.variable_scope("b/") as scope:
        assert scope.name == "b"


def test_getting_a_variable_again_leaves_no_memory_behind():
    import tracemalloc

    def step():
        with av.variable_scope("net", reuse=av.AUTO_REUSE), av.name_scope("ops"):
            with av.variable_scope(None, "blk"):
                return av.get_variable("v", (3,))

    for _ in range(100):
        step()
    gc.collect()
    tracemalloc.start()
    grown = []
    for _ in range(3):  # a dict of the process may grow once, for what tests before this one left in it
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        gc.collect()
        grown.append(tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    assert min(grown) < 500, grown


def test_an_initializer_by_name_says_where_it_is():
    for given, words in (("zeros", "av.initializers.zeros"), ("zeros_initializer", "av.initializers.zeros")):
        with raises(TypeError, "variable 'a:0'", f"the string {given!r}", words):
            av.get_variable("a", [2], initializer=given)
    with raises(TypeError, "variable 'a:0'", "Did you mean 'glorot_uniform'"):
        av.get_variable("a", [2], initializer="glorot_unform")
    with raises(TypeError, "scope 'a'", "av.initializers.ones"):
        av.variable_scope("a", initializer="ones")
    with raises(TypeError, "scope ''", "av.initializers.ones"):
        av.get_variable_scope().set_initializer("ones")
    assert len(av.current_store()) == 0


def test_an_initializer_in_the_place_of_the_dtype():
    for wrong in (av.initializers.zeros(), av.initializers.zeros, lambda shape, dtype: 0):
        with raises(TypeError, "variable 'w:0'", "dtype", "initializer="):
            av.get_variable("w", [2], wrong)
    for wrong in (object, "U3", [1.0, 2.0], "flaot32"):
        with raises(TypeError, "variable 'w:0'", "dtype", repr(wrong)):
            av.get_variable("w", [2], wrong)
    with raises(TypeError, "scope 'a'", "initializer="):
        av.variable_scope("a", dtype=av.initializers.zeros)
    assert av.get_variable("w", [2], float).dtype == np.float64


def test_an_initializer_that_does_not_take_shape_and_dtype():
    for wrong in (lambda shape: np.zeros(shape), np.random.randn, lambda shape, dtype: None):
        with raises(TypeError, "variable 'w:0'", "(2,)", "float32", "(shape, dtype) -> array"):
            av.get_variable("w", [2], initializer=wrong)
    assert len(av.current_store()) == 0


def test_wrong_kinds_of_arguments_are_refused_at_once():
    for wrong in ({"regularizer": 0.1}, {"constraint": 3}, {"trainable": "no"}):
        (key,) = wrong
        with raises(TypeError, "variable 'w:0'", key):
            av.get_variable("w", [2], **wrong)
        with raises(TypeError, "scope 'a'", key):
            av.variable_scope("a", **wrong)
    with raises(TypeError, "scope ''", "regularizer"):
        av.get_variable_scope().set_regularizer(0.1)
    with raises(TypeError, "scope 'a'", "custom getter"):
        av.variable_scope("a", custom_getter=3)
    with raises(TypeError, "name of a scope", "3"):
        av.variable_scope(None, 3)

    def getter(getter, name, **request):
        return getter(name, **{**request, "regularizer": 0.1})

    with av.variable_scope("a", custom_getter=getter), raises(TypeError, "variable 'a/w:0'", "regularizer"):
        av.get_variable("w", [2])
    with raises(TypeError, "template 't'", "3"):
        av.make_template("t", 3)
    with raises(TypeError, "name of a template"):
        av.make_template(lambda x: x, "t")
    assert len(av.current_store()) == 0
    assert not av.get_variable("w", [2], trainable=np.False_, regularizer=av.no_regularizer).trainable
