"""Write `special_extremes.json`: special functions and two derivatives, where a plain formula loses its digits.

From mpmath with 60 digits (``pip install mpmath``)::

    python tests/golden/make_special_extremes.py
"""

import json
from pathlib import Path

from mpmath import __version__, diff, erfc, erfi, exp, expm1, log, mp, mpf, pi, sqrt

POINT = mpf(1.5)  # where the Box-Cox transforms are taken, as functions of lmbda
FUNCTIONS = {
    "erfcx": (lambda x: exp(x * x) * erfc(x), (-3.0, 0.5, 10.0, 14.9, 15.1, 49.0, 1e3, 1e5)),
    "dawsn": (lambda x: sqrt(pi) / 2 * exp(-x * x) * erfi(x), (0.5, 10.0, 14.9, -15.1, 300.0)),
    "log_ndtr": (lambda x: log(erfc(-x / sqrt(mpf(2))) / 2), (-1e3, -51.0, -49.0, -5.0, 0.0, 3.0, 10.0)),
    "exprel": (lambda x: expm1(x) / x, (1e-9, -1e-4, 0.0999, 0.1001, -3.0, 20.0, -40.0)),
    "boxcox": (lambda x: (POINT**x - 1) / x, (1e-9, 0.2, 0.3, -2.0)),
    "inv_boxcox": (lambda x: (1 + x * POINT) ** (1 / x), (1e-9, 0.0133, 0.0134, 0.3, -0.2)),
}


def evaluated(function, x):
    """Value, first and second derivative."""
    mp.dps = 120
    found = [function(mpf(x)), *[diff(function, mpf(x), n, h=mpf(10) ** -20) for n in (1, 2)]]
    mp.dps = 60
    return [float(v) for v in found]


if __name__ == "__main__":
    mp.dps = 60
    lines = [
        f" {json.dumps(name)}: {json.dumps([[x, *evaluated(function, x)] for x in points])}"
        for name, (function, points) in FUNCTIONS.items()
    ]
    head = json.dumps({"made_by": "tests/golden/make_special_extremes.py", "mpmath": __version__})[1:-1]
    path = Path(__file__).with_name("special_extremes.json")
    path.write_text("{" + head + ',\n"functions": {\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{path.name}: {path.stat().st_size} bytes")
