"""How long to wait before trying again."""

import random


def delay(failures: int, *, first: float, longest: float) -> float:
    """Seconds after the n-th failure in a row: doubling from `first`, at most `longest`.

    The upper half is random, so that many that failed together don't come back together.
    """
    # 2 ** 32 times anything is past every `longest`; a larger power of a float would overflow.
    full = min(longest, first * 2.0 ** min(max(failures - 1, 0), 32))
    return full * random.uniform(0.5, 1.0)  # noqa: S311 spreads load, guards nothing
