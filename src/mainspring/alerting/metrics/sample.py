"""One sample of a metric."""

from typing import NamedTuple


class MetricSample(NamedTuple):
    """A figure with its labels; `suffix` stands behind the metric's name, for the parts of a histogram."""

    labels: dict[str, str]
    value: float
    suffix: str = ""
