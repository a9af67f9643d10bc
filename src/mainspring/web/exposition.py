"""Exposition of metrics in the text format of Prometheus, version 0.0.4."""

from collections.abc import Iterable, Iterator

from mainspring.alerting.metrics.series import COUNTERS, HELP, HISTOGRAMS, MetricSample, MetricSnapshot, list_series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render_exposition(metrics: MetricSnapshot) -> str:
    """Return all metrics."""
    return "".join(line for name, samples in list_series(metrics).items() for line in _render_metric(name, samples))


def _render_metric(name: str, samples: Iterable[MetricSample]) -> Iterator[str]:
    kind = "histogram" if name in HISTOGRAMS else "counter" if name in COUNTERS else "gauge"
    yield f"# HELP {name} {HELP[name]}\n# TYPE {name} {kind}\n"
    for labels, value, suffix in samples:
        label_text = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        braces = f"{{{label_text}}}" if label_text else ""
        yield f"{name}{suffix}{braces} {int(value) if value == int(value) else format(value, '.12g')}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
