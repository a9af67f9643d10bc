"""Check of the outbox, the messages that steps have sent: none waits for long, and none for a person."""

from collections.abc import Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.status.stuck_work import OutboxFinding, describe_unsent_messages
from mainspring.store.base import StoreReader


def check_outbox(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the messages are with their brokers."""
    from mainspring.store.read.outbox import list_outbox_queues, refused_messages

    def unsent(reader: StoreReader) -> list[OutboxFinding]:
        return list(
            describe_unsent_messages(list_outbox_queues(reader), refused_messages(reader), invocation.clock.now())
        )

    results = [CheckResult("outbox", "problem", *finding) for finding in invocation.rows_if_made(unsent)]
    yield from results or [make_ok_result("outbox", "no message waits")]
