"""Notification routes, `mainspring notify routes`: who would be notified of what, and when, if it happened now."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.automations.automation_list import find_automation, find_automations, modules_option, schedule_state
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.incidents.routes import RouteLine


@command("routes", "show who would be notified of a problem, and when")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in IncidentKind]),
    default=IncidentKind.SILENCE.value,
    show_default=True,
    help="kind of problem",
)
@modules_option
@pass_invocation
def routes(invocation: Invocation, name: str | None, kind: str, modules: tuple[str, ...]) -> None:
    """Shows each automation with its severity, or a named one with every severity."""
    from mainspring.app.alerting.channels import make_routing
    from mainspring.insight.incidents.routes import list_route_lines

    incident_kind = IncidentKind(kind)
    now, routing = invocation.clock.now(), make_routing(invocation.settings)
    if name is None:
        automations = [
            automation
            for automation in find_automations(invocation, modules)
            if schedule_state(automation, now) != "retired"
        ]
        lines = [
            row
            for automation in automations
            for row in list_route_lines(automation.name, automation.definition, routing, incident_kind, now)
        ]
    else:
        automation = find_automation(invocation, name, modules)
        lines = [
            row
            for level in Severity
            for row in list_route_lines(automation.name, automation.definition, routing, incident_kind, now, level)
        ]
    columns = [
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row.automation), cut=True),
        TableColumn("SEVERITY", lambda row: row.severity + (" (its own)" if name and row.is_own else "")),
        TableColumn("CHANNEL", lambda row: row.channel, cut=True),
        TableColumn("WHEN", lambda row: _format_time(row, now, invocation.zone), cut=True),
    ]
    invocation.output.rows(lines, columns, empty="No automations. Add one: mainspring add script NAME -- COMMAND")


def _format_time(row: "RouteLine", now: int, zone: str) -> str:
    due_text = "at once" if row.due_at <= now else formatting.format_moment(row.due_at, now, zone)
    return f"{due_text}, unless it is acknowledged" if row.is_escalation else due_text
