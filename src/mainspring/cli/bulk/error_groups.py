"""What failed, as lines: the runs with the fingerprints of their errors, and one line for each error."""

from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation
from mainspring.cli.table import TableColumn
from mainspring.domain.failures.failure import shorten_headline
from mainspring.domain.failures.fingerprint import Fingerprint, fingerprint_of
from mainspring.insight.runs.error_groups import FailureGroup
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import cut_to_width

if TYPE_CHECKING:
    from mainspring.service.runs.run_selection import RunFilter
    from mainspring.store.base import StoreReader
    from mainspring.store.views import RunView

_MAX_AUTOMATIONS_PRINTED = 3

FailedRun = tuple["RunView", Fingerprint | None]


def read_failed_runs(reader: "StoreReader", wanted: "RunFilter") -> list[FailedRun]:
    """Return the runs that an act on the same filter means, newest first, each with the fingerprint of its error."""
    from mainspring.service.runs.run_selection import select_run_ids
    from mainspring.store.read.operation_reads import OperationReads
    from mainspring.store.read.runs.run_views import run_view

    views = [run_view(reader, run) for run in reversed(select_run_ids(OperationReads(reader), wanted))]
    return [(view, None if view.failure is None else fingerprint_of(view.failure)) for view in views]


def fit_headline(text: str, cells: int) -> str:
    """Return the headline of an error in at most so many cells: the place at its end stays."""
    return cut_to_width(shorten_headline(text, cells), cells)


def print_groups(invocation: Invocation, groups: list[FailureGroup]) -> None:
    """Print them: which error, how often, since when, where, and a run to look at."""
    from mainspring.store.read.short_ids import IdKind

    now = invocation.clock.now()
    short = invocation.short_ids(IdKind.RUN, (one.example for one in groups))
    columns = [
        TableColumn("ERROR", lambda one: one.fingerprint),
        TableColumn("FAILURES", lambda one: str(one.number), right=True),
        TableColumn("FIRST", lambda one: formatting.format_distance(one.first_at, now), spare=True),
        TableColumn("LAST", lambda one: formatting.format_distance(one.last_at, now)),
        TableColumn("AUTOMATIONS", lambda one: _format_names(one.automations), cut=True, most=60),
        TableColumn("EXAMPLE", lambda one: short[one.example]),
        TableColumn("WHAT", lambda one: formatting.escape_line(one.text), cut=True, most=80, fit=fit_headline),
    ]
    invocation.output.rows(groups, columns, empty="Nothing failed and nothing needs a person.")
    if groups:
        error = groups[0].fingerprint
        invocation.output.hint(f"Runs that stand still by one error: mainspring failed list --error {error}")


def _format_names(names: list[str]) -> str:
    more = len(names) - _MAX_AUTOMATIONS_PRINTED
    shown = ", ".join(formatting.escape_line(name) for name in names[:_MAX_AUTOMATIONS_PRINTED])
    return f"{shown} and {more} more" if more > 0 else shown
