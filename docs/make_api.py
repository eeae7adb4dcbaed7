"""Write the pages of the API reference, from the public names: Sphinx calls this (`conf.py`), docs/api/ is not kept.

A name of `__all__` is on the page of its namespace; those of `autograd_vs` itself and of `nn` are on the page that
lists the module where they are made. So a new function of a known module needs nothing here; a new module needs its
word in `SECTIONS`, and without it `pages()` raises, which a test looks at.
"""

import inspect
import sys
import textwrap
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

import numpy as np
from sphinx.pycode import ModuleAnalyzer

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.engine.protocol import Operand

Distribution = av.stats.Distribution


@dataclass
class Page:
    """A page: names of `module`, all of them or those that are made in `homes` (modules of the package)."""

    file: str
    title: str
    about: str
    homes: str = ""
    module: str = "autograd_vs"
    names: list[str] = field(default_factory=list)


SECTIONS = {
    "Gradients": [
        Page("tape", "Tapes", "What records, what walks back, and what flows in forward mode.",
             "engine.tape engine.forward engine.cotangent"),
        Page("transforms", "Transforms", "Functions of functions: gradients, Jacobians, rules of your own.",
             "transforms.grad transforms.custom transforms.vmap transforms.ravel"),
        Page("function", "Plans and control flow", "A step that is traced once and replayed; decisions in each call.",
             "transforms.function transforms.signature transforms.control engine.outside"),
        Page("tensor", "Tensors", "What an op returns while a tape records, and how one is made.",
             "engine.tensor engine.protocol"),
        Page("testing", "Checking gradients", "Gradients against differences.", module="autograd_vs.testing"),
    ],
    "Variables": [
        Page("variables", "Variables, scopes, stores", "Named things that change, and who shares them.",
             "state.variable state.scope state.store state.template layers.table"),
        Page("updates", "Updates and policies", "What optimizers, checkpoints and layers use: usable for your own.",
             "state.update state.policy state.report"),
        Page("initializers", "Initializers", "Initial values.", module="autograd_vs.initializers"),
    ],
    "Array functions": [
        Page("elementwise", "Elementwise functions", "One element in, one out; NumPy's broadcasting.",
             "ops.elementwise"),
        Page("reductions", "Reductions and statistics", "Sums, means, extremes, quantiles.",
             "ops.reduce ops.statistics"),
        Page("shapes", "Shapes and places", "Reshaping, joining, splitting, picking, sorting.",
             "ops.shape ops.index ops.rearrange ops.sort ops.sets"),
        Page("products", "Products", "Matrix products and what is like them.", "ops.products ops.einsum"),
        Page("calculus", "Calculus and polynomials", "Differences, integrals, interpolation, polynomials.",
             "ops.calculus ops.polynomials"),
        Page("constants", "Constants", "Integer, bool or step output: they take Tensors, return Tensors, and pass no "
             "gradient; `GradientTape.explain` names them where a path ends.\n\n"
             ">>> av.argmax(av.Tensor([1.0, 3.0, 2.0])).item()\n1", "ops.constants"),
        Page("linalg", "Linear algebra", "``av.linalg``.", module="autograd_vs.linalg"),
        Page("fft", "Fourier transforms", "``av.fft``.", module="autograd_vs.fft"),
        Page("special", "Special functions", "``av.special``; needs SciPy.", module="autograd_vs.special"),
        Page("stats", "Distributions", "``av.stats``; needs SciPy.", module="autograd_vs.stats"),
        Page("random", "Random numbers", "``av.random``: seeds, streams, draws.", module="autograd_vs.random"),
    ],
    "Neural networks": [
        Page("nn_activations", "Activations", "``av.nn``.",
             "ops.activations ops.piecewise ops.smooth ops.erf ops.elementwise", "autograd_vs.nn"),
        Page("nn_windows", "Convolutions, pooling, resizing", "``av.nn``.",
             "ops.conv ops.pool ops.resize", "autograd_vs.nn"),
        Page("nn_losses", "Losses", "``av.nn``.", "ops.losses ops.margins ops.regression ops.ctc", "autograd_vs.nn"),
        Page("nn_others", "Products, attention, cells, normalization, dropout", "``av.nn``.",
             "ops.nn ops.attention ops.cells ops.normalization ops.batch_norm", "autograd_vs.nn"),
        Page("layers", "Layers", "``av.layers``: functions with variables of their own.", module="autograd_vs.layers"),
    ],
    "Training": [
        Page("optim", "Optimizers", "The package ``optim``.", module="optim"),
        Page("schedules", "Schedules", "``optim.schedules``: learning rates as functions of `iterations`.",
             module="optim.schedules"),
        Page("data", "Batches", "``av.data``.", module="autograd_vs.data"),
        Page("history", "Histories and progress", "What a run noted, plots of it, and when to stop.",
             "history progress"),
        Page("metrics", "Metrics", "``av.metrics``: what is counted over many batches.", module="autograd_vs.metrics"),
        Page("plot", "Plots", "``av.plot``.", module="autograd_vs.plot"),
        Page("checkpoints", "Checkpoints", "Files of named arrays, and folders of them.",
             "checkpoint checkpoint_manager"),
        Page("distribute", "Several processes", "``av.distribute``.", module="autograd_vs.distribute"),
        Page("debug", "Looking for what went wrong", "``av.debug``.", module="autograd_vs.debug"),
    ],
    "Settings": [
        Page("settings", "Dtypes, devices, threads, precision", "What holds for all that is computed.",
             "base.dtypes base.devices base.threads base.precision _version"),
        Page("warnings", "Warnings", "What is warned of, and can be turned off by `warnings.filterwarnings`.",
             "base.errors"),
    ],
}  # fmt: skip

INTERNAL = {  # without a leading "_", since other modules of the package call them
    "ForwardAccumulator.follows", "ForwardAccumulator.hear", "Variable.settle", "VariableScope.left_with",
    "VariableStore.note_reader", "VariableStore.readers", "VariableStore.take_name", "Layer.tree", "Distribution.has",
    "function",
}  # fmt: skip


def namespaces():
    """Every public module, by its full name."""
    yield av
    for name in dir(av):
        if isinstance(thing := getattr(av, name), ModuleType):
            yield thing
    optim = import_module("optim")
    yield optim
    yield optim.schedules


def public():
    """Every public name that is no module, as (module, name)."""
    for module in namespaces():
        for name in module.__all__:
            if not isinstance(getattr(module, name), ModuleType):
                yield module.__name__, name


def home_of(module, name):
    """The modules that list a name of `module`, without ``autograd_vs.``."""
    thing = getattr(sys.modules[module], name)
    if name == "__version__":
        return {"_version"}
    if isinstance(thing, type) and issubclass(thing, Warning):
        return {"base.errors"}
    return {
        at.removeprefix("autograd_vs.")
        for at, where in list(sys.modules.items())
        if at.startswith("autograd_vs.") and at != module and name in getattr(where, "__all__", [])
        and getattr(where, name, None) is thing
    }  # fmt: skip


def pages():
    """The pages by section, with their names; raises LookupError for a name that belongs to none."""
    listed = [page for section in SECTIONS.values() for page in section]
    for page in listed:
        page.names = []
    lost = []
    for module, name in public():
        for page in listed:
            if page.module == module and (not page.homes or home_of(module, name) & set(page.homes.split())):
                page.names.append(name)
                break
        else:
            lost.append(f"{module}.{name} of {sorted(home_of(module, name))}")
    if lost:
        raise LookupError(f"no page of docs/make_api.py has the module of: {', '.join(lost)}")
    return SECTIONS


def directive(thing):
    """The directive of autodoc for it."""
    if isinstance(thing, type):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return "autofunction" if inspect.isroutine(thing) else "autodata"


def is_op(thing):
    """Whether a method of Tensors is an op, which has a place of its own."""
    return thing in registry.functions.values() or thing in registry.constants.values()


def members(cls):
    """Methods and properties with a docstring: those of `cls`, and of bases that have no page.

    One that only overrides what a public base says, with one line, is left out.
    """
    listed = {thing for module, name in public() if isinstance(thing := getattr(sys.modules[module], name), type)}
    listed |= set() if cls is av.Tensor else {Operand}
    own = {}
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] not in ("autograd_vs", "optim") or (base is not cls and base in listed):
            break
        own = dict(vars(base)) | own
    for name, thing in sorted(own.items()):
        text = (
            inspect.getdoc(thing) if isinstance(thing, (property, classmethod, staticmethod)) or callable(thing) else ""
        )
        known = any(name in vars(base) for base in cls.__mro__[1:] if base in listed)
        if text and not name.startswith("_") and not is_op(thing) and not (known and "\n" not in text):
            if not {name, f"{cls.__name__}.{name}"} & INTERNAL:
                yield name


def numpy_of(thing):
    """NumPy's function, of a constant."""
    return next((function for function, call in registry.constants.items() if call is thing), None)


def signature(thing):
    """The signature of a constant is that of NumPy's function; of all others autodoc finds it."""
    function = numpy_of(thing)
    if isinstance(function, np.ufunc):
        return f"({', '.join('ab' if function.nin == 2 else 'x')})"
    return str(inspect.signature(function)).replace("<no value>", "...") if function else ""


ARGUMENTS = (  # for an example: the first that fit
    ("[2.5, -1.0, 4.0]",), ("[6, 3]",), ("[2.5, -1.0, 4.0]", "2.5"), ("[6, 3]", "2"), ("[2.5, -1.0, 4.0]", "1"),
    ("[6, 3]", "[3, 4]"), ("[6, 3]", "(7, 6)"),
)  # fmt: skip
SORTED = ("[1.0, 2.5, 4.0]", "2.0")


def example(module, name):
    """An example of a constant, which has none in its docstring, with what it gives here and now."""
    thing = getattr(sys.modules[module], name)
    if numpy_of(thing) is None or ">>>" in thing.__doc__ or name.startswith("empty"):
        return []
    for first, *others in [SORTED] if name == "searchsorted" else ARGUMENTS:
        call = f"av{module.removeprefix('autograd_vs')}.{name}({', '.join([f'av.Tensor({first})', *others])})"
        try:
            return ["", f"   >>> {call}", textwrap.indent(repr(eval(call, {"av": av})), "   ")]
        except (TypeError, ValueError, IndexError):
            continue
    return []


def comment(module, name):
    """What the comment behind a constant says, where it is made."""
    for home in sorted({f"autograd_vs.{at}" for at in home_of(module, name)} | {module}):
        found = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name))
        if found:
            return " ".join(found).strip()
    raise LookupError(f"{module}.{name} needs a comment that begins with `#:`")


def text(page):
    """A page as reStructuredText."""
    module = sys.modules[page.module]
    names = sorted(page.names, key=lambda name: (name.lower(), name))
    lines = [page.title, "=" * len(page.title), "", page.about, "", f".. currentmodule:: {page.module}", ""]
    lines += [".. autosummary::", "   :nosignatures:", "", *[f"   {name}" for name in names], ""]
    for name in names:
        thing = getattr(module, name)
        kind = directive(thing)
        if isinstance(thing, Distribution):
            functions = [f"``{f}{inspect.signature(getattr(thing, f))}``" for f in sorted(thing._functions())]
            about = textwrap.indent(inspect.cleandoc(thing.__doc__), "   ")
            lines += ["", f".. py:data:: {name}", "", about, "", f"   {', '.join(functions)}"]
        elif kind == "autodata":
            lines += ["", f".. py:data:: {name}", "", f"   {comment(page.module, name)}"]
        else:
            lines += ["", f".. {kind}:: {name}{signature(thing)}"]
            if kind == "autoclass" and (found := [*members(thing)]):
                lines += [f"   :members: {', '.join(found)}"]
            if kind == "autofunction":
                lines += example(page.module, name)
        if thing is av.Tensor:
            ops = [
                f"`{op}`" for op in dir(thing) if not op.startswith("_") and is_op(inspect.getattr_static(thing, op))
            ]
            lines += ["", f"   Methods that are the functions of these names: {', '.join(ops)}."]
    return "\n".join(lines) + "\n"


def index():
    """The page that lists them."""
    lines = ["API", "===", "", "Every public name, by subject. ``av`` is ``import autograd_vs as av``.", ""]
    for section, listed in pages().items():
        lines += [section, "-" * len(section), "", ".. toctree::", "   :maxdepth: 1", ""]
        lines += [f"   {page.file}" for page in listed] + [""]
    return "\n".join(lines)


def write(folder):
    """Write all pages into `folder`; one that is as it was is left alone, so that Sphinx need not read it again."""
    folder.mkdir(exist_ok=True)
    made = {"index.rst": index()} | {f"{p.file}.rst": text(p) for listed in pages().values() for p in listed}
    for old in set(folder.glob("*.rst")) - {folder / name for name in made}:
        old.unlink()
    for name, content in made.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
