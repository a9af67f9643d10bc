"""Check of the ledger of effects: none is in doubt."""

from collections.abc import Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.store.base import StoreReader

_FIX = "mainspring effects list --state in_doubt, then check each at its target"


def check_effects(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that no effect waits for a person, unless its run asks for the decision."""
    from mainspring.insight.status.project_status import describe_doubts
    from mainspring.store.read.effects import count_effects_in_doubt

    def find_doubts(reader: StoreReader) -> list[CheckResult]:
        sentences = describe_doubts(count_effects_in_doubt(reader))
        return [CheckResult("effects", "problem", text.partition(":")[0], _FIX) for text in sentences]

    yield from invocation.rows_if_made(find_doubts) or [
        make_ok_result("effects", "none is in doubt outside of stopped runs")
    ]
