"""`mainspring runs stream`: the records that a run has written to a stream."""

import json
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import ArgumentError

if TYPE_CHECKING:
    from mainspring.domain.runs.stream import StreamRecord
    from mainspring.service.runs.streams import StreamPage

_POLL_INTERVAL_S = 0.1
_PAGE = 500


@command("stream", "print the records that a run wrote to a stream")
@click.argument("run", type=params.RUN)
@click.argument("stream", required=False)
@click.option("--since", type=click.IntRange(0), default=0, metavar="N", help="print only records after number N")
@click.option(
    "-f", "--follow", is_flag=True, help="continue until the run ends or needs attention; a run that waits is followed"
)
@click.option("--all", "has_superseded", is_flag=True, help="print also records that a later attempt made again")
@pass_invocation
def stream(
    invocation: Invocation, run: str, stream: str | None, since: int, *, follow: bool, has_superseded: bool
) -> None:
    """Prints a value a line: text as it is, other values as JSON. --json prints whole records.

    Without STREAM it prints the only stream of the run. --follow prints records of repeated attempts, too, with a note before the new ones.
    """
    run_id = invocation.run_id(run)
    name = _choose_stream(invocation, run_id) if stream is None else stream
    if name is not None:
        _RecordPrinter(invocation, name, has_superseded=has_superseded or follow).print(run_id, since, follow=follow)


def _choose_stream(invocation: Invocation, run: str) -> str | None:
    """Return the only stream of a run; None = it has none, which is printed. Raises ArgumentError: it has several."""
    from mainspring.store.read.runs.run_views import run_view
    from mainspring.store.read.runs.streams import list_streams

    run_view(invocation.reader, run)  # it exists
    names = [view.name for view in list_streams(invocation.reader, run)]
    if len(names) == 1:
        return names[0]
    if not names:
        invocation.output.hint_empty("It has written to no stream.")
        return None
    raise ArgumentError(
        f"run {run} has {len(names)} streams: {', '.join(names)}",
        hint=f"Name one: mainspring runs stream {run} {json.dumps(names[0])}",
    )


class _RecordPrinter:
    """Prints the records of one stream."""

    def __init__(self, invocation: Invocation, name: str, *, has_superseded: bool) -> None:
        self._invocation = invocation
        self._name = name
        self._has_superseded = has_superseded

    def print(self, run: str, since: int, *, follow: bool) -> None:
        """Print what is stored after a number, and with `follow` what comes."""
        from mainspring.domain.runs.stream import drop_superseded
        from mainspring.store.read.runs.streams import list_streams

        found: list[StreamRecord[Any]] = []
        has_any = False
        while True:
            page = self._read(run, since)
            has_any = has_any or bool(page.records)
            if self._has_superseded:
                self._print(page.records)
            else:
                found += page.records
            run, since = page.continued_by or run, page.next
            if page.continued_by is None and (page.is_over or (not follow and not page.records)):
                break
            if not page.records and page.continued_by is None:
                time.sleep(_POLL_INTERVAL_S)
        self._print(drop_superseded(found))
        if not has_any:
            names = [view.name for view in list_streams(self._invocation.reader, run)]
            listed = f" Its streams: {', '.join(names)}." if names else ""
            self._invocation.output.hint_empty(f"It has no records in stream {self._name!r}.{listed}")

    def _read(self, run: str, since: int) -> "StreamPage":
        from mainspring.domain.runs.stream import Truncated
        from mainspring.service.runs.streams import read_stream

        reader = self._invocation.reader
        try:
            return self._invocation.unseal(
                lambda unsealer: read_stream(reader, unsealer, run, self._name, since, _PAGE)
            )
        except Truncated as error:
            hint = f"Continue with the first stored one: --since {error.at - 1}"
            raise ArgumentError(error.message, hint=hint) from None

    def _print(self, records: "list[StreamRecord[Any]]") -> None:
        from mainspring.domain.runs.stream import StreamRecordKind
        from mainspring.domain.values.plain_json import to_plain_json
        from mainspring.insight.text import formatting

        output = self._invocation.output
        for record in records:
            if output.is_json:
                output.line(msgspec.json.encode(to_plain_json(record)).decode())
            elif record.kind is StreamRecordKind.RETRIED:
                output.hint(f"--- attempt {record.attempt} of {record.step or 'the body'} makes these again ---")
            else:
                text = record.value if isinstance(record.value, str) else msgspec.json.encode(record.value).decode()
                output.line(formatting.escape_text(text))
        output.flush()
