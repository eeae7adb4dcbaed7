"""Looking for what went wrong: the first NaN or Inf, the size of gradients. Floor 3."""

from .engine.numerics import Numerics, Watch
from .engine.outside import tracing

__all__ = ["check_numerics"]


def check_numerics(inf: bool = True) -> Watch:
    """Raise at the first NaN or Inf that is computed inside of a ``with``, forwards or backwards.

    Parameters
    ----------
    inf : bool, default True
        False: at a NaN only (masks of attention are made of ``-inf``).

    Returns
    -------
    context manager
        To be opened around anything: training loops, tapes, calls of `gradient`. It holds for its thread or task.

    Raises
    ------
    FloatingPointError
        Inside, at once, where an op gives a NaN or Inf, its gradient does, or gradients add up to one. The message has
        the op with its scope, the line that called it (for a gradient also the one that asked for it), its inputs and
        which of them are bad already, and the Variables behind it. Nothing has been assigned by then.
    RuntimeError
        If it is opened inside of a function that is traced (`function`).

    Notes
    -----
    Looked at is what depends on a trainable Variable or on what a tape watches; other values where they enter there, as
    inputs. While it is open, a `function` that is called runs eagerly, and each op waits for its device. Nothing is
    paid for it while it is not open.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 0.0], name="v")
    >>> with np.errstate(all="ignore"), check_numerics(), av.GradientTape() as tape:
    ...     y = av.sqrt(v)
    ...     tape.gradient(y, v)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    FloatingPointError: the gradient of sqrt (at ...), with respect to Variable 'v:0' of shape (2,) and dtype float32, \
    has the first Inf (in 1 of 2 elements, the first at [1]); the tape walks back at ...
    """
    if tracing() is not None:
        raise RuntimeError(
            "check_numerics cannot look at values while a function is traced: open it around the call, which then runs "
            "eagerly"
        )
    return Watch(Numerics(inf))
