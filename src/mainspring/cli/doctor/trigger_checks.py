"""Checks of triggers, which start automations from outside: whether they listen, and whether deliveries became runs."""

from collections.abc import Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import format_count
from mainspring.insight.triggers.trigger_findings import TriggerFinding, list_trigger_findings, list_undeclared


class TriggerChecks:
    """The checks of one `doctor` call, which share their findings."""

    def __init__(self) -> None:
        self._findings: list[TriggerFinding] | None = None

    def triggers(self, invocation: Invocation) -> Iterator[CheckResult]:
        """Check that every trigger listens, and that awaited events are declared."""
        from mainspring.insight.automations.announced_definitions import read_announced_graph

        findings = [finding for finding in self._faults(invocation) if finding.subject == "triggers"]
        findings += invocation.rows_if_made(lambda reader: list(list_undeclared(read_announced_graph(reader))))
        number = len(invocation.rows_if_made(lambda reader: list(reader.read("list_triggers"))))
        yield from _make_results("triggers", findings) or [
            make_ok_result("triggers", f"{format_count(number, 'trigger')}")
        ]

    def deliveries(self, invocation: Invocation) -> Iterator[CheckResult]:
        """Check that the deliveries of a day were accepted, and that none waits too long."""
        findings = [finding for finding in self._faults(invocation) if finding.subject == "deliveries"]
        yield from _make_results("deliveries", findings) or [
            make_ok_result("deliveries", "none failed or was refused within a day")
        ]

    def _faults(self, invocation: Invocation) -> list[TriggerFinding]:
        if self._findings is None:
            self._findings = invocation.rows_if_made(
                lambda reader: list_trigger_findings(reader, invocation.clock.now())
            )
        return self._findings


def _make_results(name: str, findings: list[TriggerFinding]) -> list[CheckResult]:
    return [
        CheckResult(name, "problem" if finding.is_urgent else "warning", finding.text, finding.fix)
        for finding in findings
    ]
