"""The map of folders, kept true: who may import whom, and where CuPy and NumPy may be named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host("reads source files")

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autograd_vs"
FLOORS = ["base", "engine", ("ops", "state"), "upper", "optim"]  # a floor imports from itself and from those below


def floor_of(path: Path) -> tuple[int, str]:
    """(height, name of the folder) of a file."""
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "optim":
        return 4, "optim"
    folder = relative.parts[1] if len(relative.parts) > 2 else "upper"
    heights = {"base": 0, "engine": 1, "ops": 2, "state": 2}
    return heights.get(folder, 3), folder if folder in heights else "upper"


def files():
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "optim").rglob("*.py")])


def imports(path: Path):
    """(line, module as a path from the root) of each import of our own or of CuPy, wherever in the file it stands."""
    tree = ast.parse(path.read_text())
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield node.lineno, [*module, alias.name]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path):
    height, name = floor_of(path)
    for line, module in imports(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {'.'.join(module)}"
        assert module[0] != "cupy" or name == "base", f"{where}: only base/ knows CuPy"
        if module[0] == "optim":
            assert name == "optim", f"{where}: the engine never imports optim"
        if module[0] != "autograd_vs":
            continue
        if name == "optim":
            assert len(module) <= 2, f"{where}: optim uses the public names of autograd_vs only"
            continue
        if path.name == "__init__.py" and path.parent == PACKAGE:
            continue
        assert (len(module) > 1 and (PACKAGE / module[1]).exists()) or (PACKAGE / f"{module[1]}.py").exists(), (
            f"{where}: not the root"
        )
        target = (PACKAGE / module[1]) if (PACKAGE / module[1]).is_dir() else PACKAGE / f"{module[1]}.py"
        other_height, other = floor_of(target / "x.py" if target.is_dir() else target)
        if other_height == height == 2:
            assert other == name, f"{where}: {name}/ and {other}/ stand side by side and do not know each other"
        assert other_height <= height, f"{where}: upwards"


def test_the_order_inside_the_engine():
    """registry <- protocol <- tensor <- op; record knows none of them; the tape never sees ops/."""
    order = ["registry", "record", "protocol", "cotangent", "tensor", "op"]
    for i, name in enumerate(order):
        tree = ast.parse((PACKAGE / "engine" / f"{name}.py").read_text())
        top = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.level == 1]
        seen = {n.module for n in top if n.module} | {a.name for n in top if n.module is None for a in n.names}
        assert not seen & set(order[i + 1 :]), f"{name}.py imports {seen & set(order[i + 1 :])} at its top"


# What of NumPy may be named above base: types, dtypes, ufuncs (they dispatch), helpers that take no array.
ARRAY_FREE = {
    "ndarray", "generic", "number", "integer", "floating", "ufunc", "dtype", "random", "pi", "e", "inf", "nan",
    "newaxis", "bool_", "euler_gamma", "finfo", "iinfo", "result_type", "can_cast", "promote_types", "issubdtype",
    "broadcast_shapes", "ndindex", "ndim", "shape", "printoptions", "array2string", "errstate", "float16", "float32",
    "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "complex64", "complex128", "einsum_path",
}  # fmt: skip


def test_only_ufuncs_of_numpy_are_called_above_base():
    """An array may be CuPy's: NumPy's ufuncs dispatch on it, anything else must come from `namespace(a)`.

    NumPy functions that are only named, not called (the key of an op in the table), are fine.
    """
    import numpy as np

    wrong = []
    for path in files():
        if floor_of(path)[1] not in ("engine", "ops") or path.name == "samples.py":  # samples are made on the host
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                value = node.func.value
                if isinstance(value, ast.Name) and value.id == "np" and node.func.attr not in ARRAY_FREE:
                    if not isinstance(getattr(np, node.func.attr), np.ufunc):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} np.{node.func.attr}")
    assert not wrong, "\n".join(wrong)


def test_nothing_heavy_is_imported_before_use():
    code = (
        "import sys; import numpy; import autograd_vs, optim; "
        "heavy = {'matplotlib', 'tqdm', 'scipy', 'numba', 'cupy', 'safetensors', 'torch', 'ml_dtypes', 'mpi4py'};"
        "print(sorted(heavy & {m.partition('.')[0] for m in sys.modules}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.strip() == "[]"
