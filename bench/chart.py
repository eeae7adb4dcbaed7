"""A picture of the results of `run.py`: the time of each variant as a multiple of the floor's, a panel per workload.

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
from workloads.workload import framework_of

COLUMNS = 3
COLOURS = {
    "floor": "#9a9a9a", "ours": "#c8102e", "torch": "#e8893a", "jax": "#3b78b5", "tensorflow": "#8a5ba6",
    "autograd": "#4a9a6a", "mygrad": "#7fb069", "chainer": "#b7a15a",
}  # fmt: skip


def panel(axes, content):
    """Bars of the median ratio to the floor, with the bootstrap interval."""
    ratios = {name: r["to_floor"] for name, r in content["ratios"].items() if name != PRODUCTS}
    scale = 1e6 / content["operations"]
    for row, (name, ratio) in enumerate(ratios.items()):
        median, (low, high) = ratio["median"], ratio["interval"]
        error = [[median - low], [high - median]]
        axes.barh(row, median, xerr=error, color=COLOURS[framework_of(name)], height=0.72, ecolor="#333333")
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
    title = textwrap.fill(f"{content['workload']}: {content['title']}", 60)
    axes.set_title(f"{title}\n{content['settings']['rounds']} rounds{used}", fontsize=9, loc="left")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=harness.RESULTS, metavar="FOLDER", help="default bench/results")
    parser.add_argument("--threads", type=int, default=0, help="the results with that many threads; default 0")
    options = parser.parse_args()
    threads = f"_threads{options.threads}" if options.threads else ""
    paths = [path for name in WORKLOADS if (path := options.results / f"{name}{threads}.json").exists()]
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
        f"Time as a multiple of hand-written NumPy's (logarithmic; shorter is faster). {machine['processor']}, "
        f"{machine['cores']} cores, threads: {options.threads or 'default'}",
        fontsize=11,
    )
    out = options.results / f"chart{threads}.png"
    figure.savefig(out, dpi=110)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
