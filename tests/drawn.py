"""How many examples hypothesis draws: a few, always the same; `AUTOGRAD_VS_EXAMPLES` asks for more, elsewhere."""

import os

from hypothesis import HealthCheck, settings

MORE = int(os.environ.get("AUTOGRAD_VS_EXAMPLES", "0"))


def examples(count):
    return settings(
        max_examples=MORE or count,
        derandomize=not MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
