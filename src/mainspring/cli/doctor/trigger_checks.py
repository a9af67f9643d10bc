"""Checks of what starts automations from outside: do triggers listen, and did what arrived become runs."""

from collections.abc import Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import format_count
from mainspring.insight.triggers.trigger_findings import TriggerFinding, list_trigger_findings, list_undeclared


class TriggerChecks:
    """The checks of one look, which share what they read."""

    def __init__(self) -> None:
        self._found: list[TriggerFinding] | None = None

    def triggers(self, invocation: Invocation) -> Iterator[CheckResult]:
        """Every trigger listens, and what is waited for is declared."""
        from mainspring.insight.automations.announced_definitions import read_announced_graph

        found = [one for one in self._faults(invocation) if one.subject == "triggers"]
        found += invocation.rows_if_made(lambda reader: list(list_undeclared(read_announced_graph(reader))))
        number = len(invocation.rows_if_made(lambda reader: list(reader.read("list_triggers"))))
        yield from _make_results("triggers", found) or [
            make_ok_result("triggers", f"{format_count(number, 'trigger')}")
        ]

    def deliveries(self, invocation: Invocation) -> Iterator[CheckResult]:
        """What arrived within a day was taken in, and nothing waits for longer than it should."""
        found = [one for one in self._faults(invocation) if one.subject == "deliveries"]
        yield from _make_results("deliveries", found) or [
            make_ok_result("deliveries", "none failed or was refused within a day")
        ]

    def _faults(self, invocation: Invocation) -> list[TriggerFinding]:
        if self._found is None:
            self._found = invocation.rows_if_made(lambda reader: list_trigger_findings(reader, invocation.clock.now()))
        return self._found


def _make_results(name: str, faults: list[TriggerFinding]) -> list[CheckResult]:
    return [CheckResult(name, "problem" if one.is_urgent else "warning", one.text, one.fix) for one in faults]
