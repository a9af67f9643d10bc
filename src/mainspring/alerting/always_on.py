"""What is always watched, judged at once for whoever asks: channels as a watcher does, of the store that it could just be read."""

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
    """Judge what no configuration switches off, see `domain/monitors/fixed_monitors.py`; `named` = the channels that are configured."""
    views = channels(reader)
    if kind is IncidentKind.NOTIFIER_BROKEN:
        yield from evaluate_channels(views, named, now)
    else:
        yield Evaluation(Subject("", IncidentKind.STORE_LOST), {"read_at": now, "longest_ms": to_ms(store_lost_after)})
