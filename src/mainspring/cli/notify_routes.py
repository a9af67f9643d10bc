"""`mainspring notify routes`: who would be told what, and when, if it happened now."""

from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params
from mainspring.cli.auto import Known, find_automation, known_automations, modules_option, state_of
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.output import Column
from mainspring.domain.incident import IncidentKind, Severity
from mainspring.insight import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.domain.definition import Definition
    from mainspring.domain.route import Routing


@command("routes", "show who would be told, and when, if something went wrong now")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in IncidentKind]),
    default=IncidentKind.SILENCE.value,
    show_default=True,
    help="what would be wrong",
)
@modules_option
@pass_invocation
def routes(invocation: Invocation, name: str | None, kind: str, modules: tuple[str, ...]) -> None:
    """Of each automation with the severity that it has; of one that is named with every severity."""
    from mainspring.app.channels import routing_of

    now, routing = invocation.clock.now(), routing_of(invocation.settings)
    if name is None:
        known = [one for one in known_automations(invocation, modules) if state_of(one, now) != "retired"]
        found = [row for one in known for row in _rows_of(one, routing, IncidentKind(kind), now)]
    else:
        one = find_automation(invocation, name, modules)
        found = [row for severity in Severity for row in _rows_of(one, routing, IncidentKind(kind), now, severity)]
    columns = [
        Column("AUTOMATION", lambda row: words.one_line(row["automation"])),
        Column("SEVERITY", lambda row: row["severity"] + (" (its own)" if name and row["is_own"] else "")),
        Column("CHANNEL", lambda row: row["channel"]),
        Column("WHEN", lambda row: _when(row, now, invocation.zone)),
    ]
    invocation.output.rows(found, columns, empty="No automations. Add one: mainspring add script NAME -- COMMAND")


def _rows_of(
    known: Known, routing: "Routing", kind: IncidentKind, now: int, severity: Severity | None = None
) -> "Iterator[dict[str, Any]]":
    from mainspring.domain.incident import Subject
    from mainspring.domain.match import Told
    from mainspring.domain.notice import About

    own = Severity(_option(known.definition, "tier") or Severity.NOTIFY)
    told = Told(
        subject=Subject(known.name, kind),
        severity=severity or own,
        owner=_option(known.definition, "owner"),
        team=_option(known.definition, "team"),
        tags=_option(known.definition, "tags") or {},
    )
    later = now + routing.escalate_after_ms
    is_repeated = told.severity is not Severity.DIGEST
    targets = [(one, False) for one in routing.targets(told, About.OPENED, now)]
    targets += [(one, True) for one in routing.targets(told, About.ESCALATED, later) if is_repeated]
    for target, is_escalation in targets:
        yield {
            "automation": known.name,
            "severity": told.severity.value,
            "is_own": told.severity is own,
            "channel": target.channel,
            "due_at": target.due_at,
            "is_escalation": is_escalation,
        }


def _option(definition: "Definition | None", name: str) -> Any:
    return None if definition is None else definition.option(name)


def _when(row: dict[str, Any], now: int, zone: str) -> str:
    when = "at once" if row["due_at"] <= now else words.moment(row["due_at"], now, zone)
    return f"{when}, if nobody acknowledges it" if row["is_escalation"] else when
