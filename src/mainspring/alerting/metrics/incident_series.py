"""Series of open incidents and unsent alerts."""

from collections.abc import Iterator, Mapping, Sequence

from mainspring.alerting.metrics.sample import MetricSample
from mainspring.store.read.incidents import UnsentAlerts


def list_incident_series(
    unresolved: Mapping[tuple[str, str], int], unsent: Sequence[UnsentAlerts], now: int
) -> Iterator[tuple[str, list[MetricSample]]]:
    """Yield the samples of each metric; `unresolved` = the incidents that are not resolved, by severity and kind."""
    yield (
        "mainspring_incidents_open",
        [
            MetricSample({"severity": severity, "kind": kind}, number)
            for (severity, kind), number in sorted(unresolved.items())
        ],
    )
    yield "mainspring_alerts_unsent", [MetricSample({"channel": alerts.channel}, alerts.number) for alerts in unsent]
    yield (
        "mainspring_alert_overdue_seconds",
        [
            MetricSample(
                {"channel": alerts.channel}, 0 if alerts.due_at is None else max(0, now - alerts.due_at) / 1000
            )
            for alerts in unsent
        ],
    )
