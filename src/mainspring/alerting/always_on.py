"""Evaluation of the monitors that are always on, at the time of the request: channels, and that the store can be read."""

from collections.abc import Container, Iterator
from datetime import timedelta

from mainspring.alerting.channel_findings import evaluate_channels
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.tuning import to_ms
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import channels


def evaluate_always_on(
    kind: IncidentKind, reader: StoreReader, now: int, named: Container[str], store_lost_after: timedelta
) -> Iterator[Evaluation]:
    """Evaluate a monitor that no setting switches off (`domain/monitors/fixed_monitors.py`). `named` = the configured channels."""
    views = channels(reader)
    if kind is IncidentKind.NOTIFIER_BROKEN:
        yield from evaluate_channels(views, named, now)
    else:
        yield Evaluation(Subject("", IncidentKind.STORE_LOST), {"read_at": now, "longest_ms": to_ms(store_lost_after)})
