"""One sample of a metric."""

from typing import NamedTuple


class MetricSample(NamedTuple):
    """A value with its labels; `suffix` follows the name of the metric, for the parts of a histogram."""

    labels: dict[str, str]
    value: float
    suffix: str = ""
