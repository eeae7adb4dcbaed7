"""Are the tests of `test_scopes.py` any good? Each rule is switched off, and a test of its number must fail.

A switch is a small change to the text of one function: what is there, and what stands there instead.
"""

# ruff: noqa: E501  (a row of the table is a line)

import collections
import contextvars
import inspect
import textwrap

import pytest
import test_scopes

import autograd_vs as av
from autograd_vs.base.stack import Stack
from autograd_vs.engine import protocol, record
from autograd_vs.state import context, scope, store, template, variable

get_variable, variable_scope, VariableScope = scope.get_variable, scope.variable_scope, scope.VariableScope
VariableStore, Variable, Template = store.VariableStore, variable.Variable, template.Template

SWITCHES = [
    # names
    (1, context.join, 'f"{prefix}/{name}" if prefix else name', "name"),
    (1, context.join, 'f"{prefix}/{name}"', 'f"{prefix}.{name}"'),
    (1, Variable.name.fget, 'self._name + ":0"', "self._name"),
    (1, Variable.op.fget, "OpInfo(self._name,", "OpInfo(self.name,"),
    (2, get_variable, "context.join(frame.scope.name, name)", "context.frames.top().mark.path + name"),
    (2, variable._scope_path, "frame.mark.path", '""'),
    (2, protocol.op_name, "mark.prefix + name", "name"),
    (3, variable_scope._open, "name and self._opens_names", "False"),
    (3, variable_scope._open, "name and self._opens_names", "name"),
    (3, variable_scope._open, "context.same_names(), loose=False", "context.open_names(target.name), loose=False"),
    (3, variable_scope._open, "VariableScope(target.name, target.original_name_scope,", 'VariableScope(target.name, "",'),
    (3, context.open_names, 'elif name.endswith("/")', "elif False"),
    (4, protocol.op_name, 'f"{full}_{earlier}" if earlier else full', "full"),
    (4, context._numbered, "if not count:", "if True:"),
    (4, variable._scope_path, "frame.mark.path", "frame.mark.prefix"),
    (4, context.open_names, "record.scope_paths.get(prefix, prefix) if record is not None else prefix", "prefix"),
    (5, VariableStore.take_name, "while free in self._variables or free in self._plain:", "while False:"),
    (5, VariableStore.take_name, "free in self._variables or free in self._plain", "free in self._plain"),
    (5, VariableStore._clear, "weakref.WeakValueDictionary()", "dict()"),
    (5, VariableStore._make, "if plain is not None:", "if False:"),
    (5, VariableStore._make, "if plain is not None:", "if plain is not None and not spec.reuse:"),
    (6, context.check_name, "if not _ALLOWED.fullmatch(full_name)", "if not full_name"),
    (6, context.check_name, "_ALLOWED.fullmatch(", "_ALLOWED.match("),
    (6, context.check_name, 'or "__metadata__" in full_name.split("/")', ""),
    (6, get_variable, "or not name:", "or False:"),
    (6, get_variable, "context.join(frame.scope.name, name)", 'context.join(frame.scope.name, name.replace("/", "."))'),
    (6, VariableStore.take_name, "context.check_name(name)", "pass"),
    (7, context.opened_once_more, "while name in opened:", "while False:"),
    (7, context.opened_once_more, "opened[name] = opened.get(name, 0) + 1", "opened.setdefault(default_name, 1)"),
    (7, variable_scope._count, 'if context.counts_at_store(parent):', "if True:"),
    (7, variable_scope._count, 'if context.counts_at_store(parent):', "if False:"),
    (7, VariableStore._warn_of_default_names, "if self._warned or not any", "if not any"),
    (7, VariableStore._warn_of_default_names, "or not any(v.assigned and v.trainable for v in self._variables.values())", ""),
    (7, VariableStore._warn_of_default_names, "if self._warned", "if True"),
    (7, variable_scope._open, "loose = parent.loose or (target is None and parent.scope.name == \"\")", "loose = True"),
    (7, variable_scope._open, "loose = parent.loose or", "loose ="),
    (7, store._warn, "depth, frame = 2,", "depth, frame = 1,"),
    (7, variable_scope.__init__, "if name_or_scope is None and default_name is None:", "if False:"),
    (7, variable_scope._open, ', "scope") if name else ""', ', "scope") if name else parent.scope.name'),
    # reuse
    (8, VariableStore.get, "if spec.reuse is False:", "if False:"),
    (8, VariableStore.get, "if spec.reuse is False:", "if spec.reuse is not True:"),
    (8, VariableStore._make, "if spec.reuse is True:", "if False:"),
    (8, VariableStore._make, "if spec.reuse is True:", "if spec.reuse:"),
    (8, variable_scope.__init__, "if not any(reuse is value", "if False and not any(reuse is value"),
    (8, variable_scope.__init__, "reuse is value", "reuse == value"),
    (9, variable_scope._push, "given.reuse or inherited.reuse", "bool(given.reuse)"),
    (9, variable_scope._push, "given.reuse or inherited.reuse", "inherited.reuse if given.reuse is None else given.reuse"),
    (9, variable_scope._push, "given.reuse or inherited.reuse", "inherited.reuse or given.reuse or False"),
    (10, VariableScope.reuse_variables, "self._change(reuse=True)", "pass"),
    (10, VariableScope._change, "context.replaced(frame,", "context.replaced(context.current(),"),
    (10, VariableScope._change, "if frame is None:", 'if frame is None or self.name == "":'),
    (11, variable_scope._open, "VariableScope(target.name,", "VariableScope(context.join(parent.scope.name, target.name),"),
    (11, variable_scope._open, "target.original_name_scope, target.defaults)", "target.original_name_scope, parent.defaults)"),
    (11, variable_scope._push, "given.reuse or inherited.reuse", "given.reuse or inherited.reuse or context.current().defaults.reuse"),
    (11, VariableScope.left_with, "self._left = defaults", "pass"),
    (12, store._check_fit, '("shape", spec.shape, found.shape), ', ""),
    (12, store._check_fit, ', ("dtype", spec.dtype, found.dtype)', ","),
    (12, store._check_fit, "if asked is not None and asked != has:", "if asked != has:"),
    (12, VariableStore.get, "_check_fit(found, spec)", "found.regularizer = spec.regularizer; _check_fit(found, spec)"),
    (12, VariableStore.get, "_check_fit(found, spec)", "found.trainable = spec.trainable; _check_fit(found, spec)"),
    (13, variable_scope._push, "given.reuse or inherited.reuse", "given.reuse or inherited.reuse or bool(parent.store.variables('foo'))"),
    (13, VariableStore._make, "if spec.reuse is True:", "if spec.reuse is True or self.variables(name[:3]):"),
    (14, VariableStore.get, "return found", "return __import__('copy').copy(found)"),
    # creating
    (15, VariableStore._initial_value, "initializer(shape, dtype)", "initializer(shape, as_dtype(None))"),
    (15, VariableStore._initial_value, "if isinstance(initializer, type):", "if False:"),
    (15, VariableStore._initial_value, "if shape is not None:", "if False:"),
    (15, VariableStore._initial_value, "return initializer, spec.dtype", "return initializer, as_dtype(spec.dtype)"),
    (15, VariableStore._initial_value, "glorot_uniform() if is_differentiable(dtype) else zeros()", "zeros()"),
    (15, VariableStore._initial_value, "glorot_uniform() if is_differentiable(dtype) else zeros()", "glorot_uniform()"),
    (15, VariableStore._initial_value, "if shape is None:", "if False:"),
    (15, VariableStore._initial_value, "if value.shape != shape:", "if False:"),
    (15, get_variable, "given.initializer if initializer is None else initializer", "initializer"),
    (15, VariableStore._make, "value, dtype = ", "self._variables[name] = None; value, dtype = "),
    (16, get_variable, "given.initializer if initializer is None else initializer", "given.initializer or initializer"),
    (16, get_variable, "given.dtype if dtype is None else as_dtype(dtype)", "given.dtype or dtype"),
    (16, get_variable, "given.trainable if trainable is None else bool(trainable)", "trainable"),
    (16, get_variable, "given.constraint if constraint is None else constraint", "constraint"),
    (16, get_variable, "regularizer = given.regularizer", "pass"),
    (16, variable_scope._push, "old if new is None else new", "new"),
    (16, variable_scope._push, "old if new is None else new", "new if old is None else old"),
    (16, VariableScope.set_initializer, "self._change(initializer=initializer)", "pass"),
    (16, VariableScope.set_regularizer, "self._change(regularizer=regularizer)", "pass"),
    (16, VariableScope.set_dtype, "self._change(", "(lambda **given: None)("),
    (16, VariableScope.set_custom_getter, "self._change(custom_getter=custom_getter)", "pass"),
    (16, store.matcher, 'scope.removesuffix("/") + "/"', "scope"),
    (16, store.global_variables, "return current_store().variables(scope)", "return current_store().variables()"),
    (16, store.trainable_variables, "return current_store().trainable_variables(scope)", "return current_store().variables(scope)"),
    (16, VariableStore.variables, "list(self._variables.items())", "sorted(self._variables.items())"),
    (17, VariableStore.regularization_losses, "if v.regularizer is not None]", "if v.regularizer is not None] * 2"),
    (17, VariableStore.regularization_losses, "self.variables(scope)", "self.variables()"),
    (17, VariableStore.regularization_losses, "v.regularizer(v) for", "v.regularizer(v).numpy() for"),
    (17, get_variable, "None if regularizer is no_regularizer else regularizer", "given.regularizer"),
    (17, VariableStore.get, "_check_fit(found, spec)", "self._variables[name + '_2'] = found; _check_fit(found, spec)"),
    (18, get_variable, "if given.custom_getter is None:", "if True:"),
    (18, variable_scope._push, "if given.custom_getter is not None and inherited", "if False and inherited"),
    (18, variable_scope._push, "_around(given.custom_getter, inherited.custom_getter)", "_around(inherited.custom_getter, given.custom_getter)"),
    (18, scope._onward, "**{**request, **changes}", "**{**changes, **request}"),
    (18, scope._onward, "changes.update(zip(VariableSpec._fields, args, strict=False))", "pass"),
    (19, VariableStore.trainable_variables, "if v.trainable", ""),
    (19, Variable.settle, "self._trainable and", ""),
    (19, Variable.trainable.fset, "if frame is not None and frame.record is not None:", "if False:"),
    (19, record.Record.settle, "variable.settle()", "pass"),
    (20, Template.__call__, "made[self] = True", "made[self] = None"),
    (20, Template.__call__, "made[self] = True", "made[self] = AUTO_REUSE"),
    (20, Template.__call__, "if reuse is None:", "if False:"),
    (20, Template.__call__, "**{**self._arguments, **kwargs}", "**{**kwargs, **self._arguments}"),
    (20, Template.variable_scope.fget, "variable_scope(self._unique_name, self._name)", "variable_scope(self._name)"),
    (20, Template.variable_scope.fget, "(self._unique_name, self._name)", "(None, self._unique_name or self._name)"),
    (20, template.make_template, "if create_scope_now_:", "if False:"),
    (20, template.make_template, "if create_scope_now_:", "if True:"),
    # errors and state
    (21, VariableStore._exists, "{found.created_at}", ""),
    (21, VariableStore._exists, "shape {found.shape}", ""),
    (21, VariableStore._exists, "reuse=True", ""),
    (21, VariableStore._exists, "reuse=av.AUTO_REUSE", ""),
    (21, VariableStore._exists, "av.VariableStore()", ""),
    (21, VariableStore._make, "{close_names(name, self._variables)}", ""),
    (22, variable_scope.__exit__, "context.close_scope(self, quiet=kind is not None)", "None if kind else context.close_scope(self, False)"),
    (22, scope.name_scope.__exit__, "frames.leave(self._open.pop(), quiet=kind is not None)", "None if kind else frames.pop(self._open.pop())"),
    (22, VariableStore.__exit__, "context.close_scope(self, quiet=kind is not None)", "None if kind else context.close_scope(self, False)"),
    (22, Stack.pop, "if inner is frame:", "if False:"),
    (22, Stack.pop, "self.after_disorder()", "pass"),
    (22, Stack.pop, "if quiet:", "if True:"),
    (22, variable_scope._count, "dict(parent.opened)", "parent.opened"),
    (23, VariableStore._open, "context.scopes.top(), self, scope, defaults, self,", "context.scopes.top(), self, scope, defaults, context.current().store,"),
    (23, VariableStore._open, 'VariableScope("", ""), context.ScopeDefaults()', "context.current().scope, context.current().defaults"),
    (23, VariableStore._open, "context.open_names(None)", "context.same_names()"),
    (23, variable_scope._push, "parent.store, {}, names", "context.bottom.store, {}, names"),
    (23, VariableStore.__exit__, "context.close_scope(self, quiet=kind is not None)", "pass"),
    (23, VariableStore.__init__, "RLock()", "__import__('contextlib').nullcontext()"),
    (24, VariableStore.reset, "self._clear()", "pass"),
    (24, VariableStore.reset, "self._clear()", "self._variables.clear()"),
    (24, VariableStore.reset, "self.forget(self.variables(scope))", "pass"),
    (24, VariableStore.reset, "del self._plain[name]", "pass"),
    (24, VariableStore.reset, "del self.templates[template]", "pass"),
    (24, VariableStore.reset, 'or wanted(name + "/")', ""),
]  # fmt: skip


def count_outside_of_records(monkeypatch):
    counts, original = collections.Counter(), context.open_names

    def open_names(name):
        counts[name] += 1
        return original(f"{name}_{counts[name] - 1}" if counts[name] > 1 else name)

    monkeypatch.setattr(context, "open_names", open_names)


class Shared:
    """In the place of a context variable: one value for all threads and tasks."""

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value

    def set(self, value):
        self.value = value


def share_scopes_between_tasks(monkeypatch):
    shared = Shared(context.scopes.top())
    monkeypatch.setattr(context.scopes, "_top", shared)
    monkeypatch.setattr(context.scopes, "top", shared.get)


OTHER_SWITCHES = [(4, count_outside_of_records), (22, share_scopes_between_tasks)]


def of_rule(rule):
    return [f for name, f in vars(test_scopes).items() if name.startswith(f"test_rule_{rule:02d}_")]


def fails(test) -> bool:
    """Does `test` fail in a fresh store?"""

    def run():
        with av.VariableStore(seed=0):
            test()

    try:
        contextvars.Context().run(run)
    except NameError:
        raise  # the switch itself is broken
    except (Exception, pytest.fail.Exception):
        return True
    return False


def switch(monkeypatch, function, old, new) -> None:
    """Change the text of `function`, for everyone who has a reference to it."""
    source = textwrap.dedent(inspect.getsource(function))
    source = source[source.index("def ") :]  # without decorators
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {function.__qualname__}"
    made: dict = {}
    exec(source.replace(old, new), dict(function.__globals__), made)
    (mutant,) = made.values()
    monkeypatch.setattr(function, "__code__", mutant.__code__)


@pytest.mark.parametrize(
    "rule, function, old, new",
    SWITCHES,
    ids=[f"{rule:02d}-{f.__qualname__}-{i}" for i, (rule, f, *_) in enumerate(SWITCHES)],
)
def test_a_rule_switched_off_is_noticed(rule, function, old, new, monkeypatch):
    switch(monkeypatch, function, old, new)
    assert any(map(fails, of_rule(rule))), (
        f"no test of rule {rule} notices {old!r} -> {new!r} in {function.__qualname__}"
    )


@pytest.mark.parametrize("rule, apply", OTHER_SWITCHES)
def test_a_rule_switched_off_otherwise_is_noticed(rule, apply, monkeypatch):
    apply(monkeypatch)
    assert any(map(fails, of_rule(rule)))


@pytest.mark.parametrize("rule", range(1, 25))
def test_every_rule_has_tests_that_pass_and_switches(rule):
    assert any(row[0] == rule for row in SWITCHES)
    assert of_rule(rule) and not any(map(fails, of_rule(rule)))
