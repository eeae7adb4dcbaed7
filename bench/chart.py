"""Two pictures of the results of `run.py`: the time of each variant as a multiple of the floor's.

`chart.png` has a panel per workload, with all variants; `summary.png`, that of the README, the fastest of each library.

    python bench/chart.py
"""

import argparse
import json
import textwrap
from pathlib import Path

import harness
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullLocator
from run import PRODUCTS
from workloads import WORKLOADS
from workloads.workload import framework_of, is_compiled

COLUMNS = 3
COLOURS = {
    "floor": "#9a9a9a", "ours": "#c8102e", "ours_jit": "#7a0a1c", "torch": "#e8893a", "jax": "#3b78b5",
    "tensorflow": "#8a5ba6", "autograd": "#4a9a6a", "mygrad": "#7fb069", "chainer": "#b7a15a",
}  # fmt: skip
# of the summary: a label, the framework, whether it is compiled, the marker
SERIES = [
    ("autograd_vs", "ours", False, "o"), ("autograd_vs, function", "ours", True, "D"),
    ("autograd_vs, function [jit]", "ours_jit", True, "D"), ("PyTorch", "torch", False, "o"),
    ("torch.compile", "torch", True, "s"), ("jax.jit", "jax", True, "s"), ("tf.function", "tensorflow", True, "s"),
    ("HIPS autograd", "autograd", False, "o"),
]  # fmt: skip


def panel(axes, content):
    """Bars of the median ratio to the floor, with the bootstrap interval."""
    ratios = {name: r["to_floor"] for name, r in content["ratios"].items() if name != PRODUCTS}
    scale = 1e6 / content["operations"]
    for row, (name, ratio) in enumerate(ratios.items()):
        median, (low, high) = ratio["median"], ratio["interval"]
        error = [[median - low], [high - median]]
        (bar,) = axes.barh(row, median, xerr=error, color=COLOURS[framework_of(name)], height=0.72, ecolor="#333333")
        if is_compiled(name):
            bar.set(hatch="///", edgecolor="#ffffff80", linewidth=0)
        time = float(np.median(content["seconds_per_step"][name])) * scale
        axes.annotate(
            f"{median:.2f}  ({time:,.2f} us)" if time < 10 else f"{median:.2f}  ({time:,.0f} us)",
            (max(high, median), row), (4, 0), textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    lowest, highest = (f(r["median"] for r in ratios.values()) for f in (min, max))
    left, right = min(lowest, 1) * 0.6, max(highest, 1)
    axes.set_xscale("log")
    axes.set_xlim(left, right * (right / left) ** 0.45)  # room for the numbers
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(ratios)), ratios, fontsize=8)
    axes.set_ylim(max(len(ratios), 8) - 0.4, -0.6)  # downwards; few bars are no thicker than many
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    others = [percent for percent in content["percent_used_by_others"] if percent is not None]
    used = f"; others used {np.median(others):.0f} %" if others else ""
    title = textwrap.fill(f"{content['workload']}: {content['title']}", 52)
    axes.set_title(f"{title}\n{content['settings']['rounds']} rounds{used}", fontsize=9, loc="left")


def summary(contents, path):
    """Of each workload a row, of each library its fastest variant, by the median ratio to the floor."""
    ratios = {}  # by workload and variant; the last run that has it counts
    for content in contents:
        title = textwrap.shorten(content["title"], 40, placeholder=" ...")
        of_workload = ratios.setdefault(f"{content['workload']}  {title}", {})
        of_workload |= {name: r["to_floor"]["median"] for name, r in content["ratios"].items() if name != PRODUCTS}
    figure, axes = plt.subplots(figsize=(10, 1.4 + 0.33 * len(ratios)), layout="constrained")
    axes.axvline(1, color=COLOURS["floor"], linewidth=2)
    for number, (label, framework, compiled, marker) in enumerate(SERIES):
        found = []
        for row, of_workload in enumerate(ratios.values()):
            own = [r for v, r in of_workload.items() if (framework_of(v), is_compiled(v)) == (framework, compiled)]
            found += [(min(own), row + (number - 3.5) / 16)] if own else []  # side by side where they are equal
        if found:
            face = COLOURS[framework] if compiled else "white"
            axes.scatter(
                *zip(*found, strict=True), label=label, marker=marker, s=58, facecolor=face, linewidth=1.6,
                edgecolor=COLOURS[framework], zorder=3,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(ratios)), ratios)
    axes.set_ylim(len(ratios) - 0.4, -0.6)
    axes.grid(axis="y", color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(
        "time of a training step as a multiple of hand-written NumPy's; filled: traced or compiled", fontsize=10
    )
    figure.legend(loc="outside upper center", ncols=4, fontsize=9, frameon=False)
    figure.savefig(path, dpi=110)
    print(f"written: {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=harness.RESULTS, metavar="FOLDER", help="default bench/results")
    parser.add_argument("--threads", type=int, default=0, help="the results with that many threads; default 0")
    options = parser.parse_args()
    threads = f"_threads{options.threads}" if options.threads else ""
    runs = "", "_function"  # functions may have a run of their own
    names = [f"{name}{run}{threads}" for name in WORKLOADS for run in runs]
    paths = [path for name in names if (path := options.results / f"{name}.json").exists()]
    if not paths:
        parser.error(f"no results in {options.results}; run bench/run.py first")
    contents = [json.loads(path.read_text()) for path in paths]
    rows = [contents[i : i + COLUMNS] for i in range(0, len(contents), COLUMNS)]
    heights = [3 + max(len(content["ratios"]) for content in row) for row in rows]
    figure, axes = plt.subplots(
        len(rows), COLUMNS, figsize=(7 * COLUMNS, 0.24 * sum(heights)), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for place in axes.flat[len(contents) :]:
        place.remove()
    for place, content in zip(axes.flat, contents, strict=False):
        panel(place, content)
    machine = contents[0]["machine"]
    figure.suptitle(
        f"Time as a multiple of hand-written NumPy's (logarithmic; shorter is faster; hatched: traced or compiled). "
        f"{machine['processor']}, {machine['cores']} cores, threads: {options.threads or 'default'}",
        fontsize=11,
    )
    out = options.results / f"chart{threads}.png"
    figure.savefig(out, dpi=110)
    print(f"written: {out}")
    summary(contents, options.results / f"summary{threads}.png")


if __name__ == "__main__":
    main()
