"""Error groups, as lines: the failed runs with the fingerprints of their errors, and one line for each error."""

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


def read_failed_runs(reader: "StoreReader", run_filter: "RunFilter") -> list[FailedRun]:
    """Return the runs that an operation with the same filter selects, newest first, each with the fingerprint of its error."""
    from mainspring.service.runs.run_selection import select_run_ids
    from mainspring.store.read.operation_reads import OperationReads
    from mainspring.store.read.runs.run_views import run_view

    views = [run_view(reader, run_id) for run_id in reversed(select_run_ids(OperationReads(reader), run_filter))]
    return [(view, None if view.failure is None else fingerprint_of(view.failure)) for view in views]


def fit_headline(text: str, cells: int) -> str:
    """Return the headline of an error in at most `cells` cells: the place at its end stays."""
    return cut_to_width(shorten_headline(text, cells), cells)


def print_groups(invocation: Invocation, groups: list[FailureGroup]) -> None:
    """Print the groups: which error, how often, since when, where, and an example run."""
    from mainspring.store.read.short_ids import IdKind

    now = invocation.clock.now()
    short_ids = invocation.short_ids(IdKind.RUN, (group.example for group in groups))
    columns = [
        TableColumn("ERROR", lambda group: group.fingerprint),
        TableColumn("FAILURES", lambda group: str(group.number), right=True),
        TableColumn("FIRST", lambda group: formatting.format_distance(group.first_at, now), spare=True),
        TableColumn("LAST", lambda group: formatting.format_distance(group.last_at, now)),
        TableColumn("AUTOMATIONS", lambda group: _format_names(group.automations), cut=True, most=60),
        TableColumn("EXAMPLE", lambda group: short_ids[group.example]),
        TableColumn("WHAT", lambda group: formatting.escape_line(group.text), cut=True, most=80, fit=fit_headline),
    ]
    invocation.output.rows(groups, columns, empty="No run failed, and no run needs a person.")
    if groups:
        error = groups[0].fingerprint
        invocation.output.hint(f"Runs that stopped for one error: mainspring failed list --error {error}")


def _format_names(names: list[str]) -> str:
    more_count = len(names) - _MAX_AUTOMATIONS_PRINTED
    listed = ", ".join(formatting.escape_line(name) for name in names[:_MAX_AUTOMATIONS_PRINTED])
    return f"{listed} and {more_count} more" if more_count > 0 else listed
