"""Wilson interval of a rate: the rates that fit a count. Pure.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212. It is method 3
of R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), 857-872.
"""

import math

_Z_95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution."""


def compute_wilson_interval(bad: int, runs: int) -> tuple[float, float] | None:
    """Return the lower and upper end of the 95 % interval of a rate; None without runs."""
    if runs == 0:
        return None
    rate, square = bad / runs, _Z_95**2
    centre = rate + square / (2 * runs)
    half = _Z_95 * math.sqrt(rate * (1 - rate) / runs + square / (4 * runs**2))
    scale = 1 + square / runs
    # Rounding would move the ends that are exactly 0 and 1.
    return (centre - half) / scale if bad else 0.0, (centre + half) / scale if bad < runs else 1.0
