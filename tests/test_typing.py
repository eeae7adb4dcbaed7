"""What type checkers see of the package: the installed operators and methods, and a user's program under mypy."""

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.engine import protocol

pytestmark = pytest.mark.host("reads source files")

SCRIPT = Path(__file__).parent / "typed_user_script.py"
ROOT = SCRIPT.parent.parent


def methods_of_operand():
    """The class body of Operand, in two: what is defined, and what is declared for type checkers only."""
    tree = ast.parse(Path(protocol.__file__).read_text(encoding="utf-8"))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Operand"]
    (declared,) = [node.body for node in body if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING"]
    return {f.name: f for f in body if isinstance(f, ast.FunctionDef)}, {f.name: f for f in declared}


def installed():
    """The names that ops have put into Operand."""
    defined, _ = methods_of_operand()
    kinds = (types.FunctionType, property)  # not the slots, nor what Python puts into every class
    return {name for name, value in vars(protocol.Operand).items() if isinstance(value, kinds)} - set(defined)


def test_what_ops_install_is_declared_for_type_checkers():
    _, declared = methods_of_operand()
    assert set(declared) == installed()


@pytest.mark.parametrize("name", sorted(n for n in methods_of_operand()[1] if not n.startswith("__")))
def test_the_declared_parameters_are_the_real_ones(name):
    function, real = methods_of_operand()[1][name], vars(protocol.Operand)[name]
    if isinstance(real, property):
        assert [d.id for d in function.decorator_list] == ["property"]
        return
    parameters = list(inspect.signature(real).parameters.values())
    if [p.name for p in parameters] == ["args", "options"]:  # a constant: all goes to NumPy's function
        known = set(inspect.signature(getattr(np, name)).parameters)
        assert {a.arg for a in (*function.args.args[1:], *function.args.kwonlyargs)} <= known
        return
    a = function.args
    names = [x.arg for x in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs) if x is not None]
    assert names[0] == "self" and names[1:] == [p.name for p in parameters[1:]]
    ours = dict(zip([x.arg for x in a.args[::-1]], [ast.literal_eval(d) for d in a.defaults[::-1]], strict=False))
    ours |= {x.arg: ast.literal_eval(d) for x, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None}
    assert ours == {p.name: p.default for p in parameters if p.default is not p.empty}


def test_both_packages_say_that_they_are_typed():
    for package in (av, optim):
        assert (Path(package.__file__).parent / "py.typed").exists()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_a_user_program_passes_mypy_strict(tmp_path):
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-color-output", f"--cache-dir={tmp_path}"]
    command = [sys.executable, "-m", "mypy", *options, str(SCRIPT)]
    environment = {key: value for key, value in os.environ.items() if key != "MYPYPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_user_program_runs(capsys):
    spec = importlib.util.spec_from_file_location("typed_user_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    out = capsys.readouterr().out
    assert out.startswith("True True") and out.endswith("[1. 3.]\n")
