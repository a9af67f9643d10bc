"""Rendering of incidents as notifications: the same finished text everywhere, a first line for a lock screen, then what to do.

    [page] backup: no success for 26 h (expected daily 03:00 Europe/Berlin)
    What          3 runs failed at step upload: 403 AccessDenied (permanent)
    Items         Back up host a, Back up host b, Back up host c
    Since         2026-10-05 03:00 CEST, last success 2026-10-04 03:04 CEST
    Impact        1 backup is missing
    Next attempt  none, needs a person
    Changed       flag s3-v2 to 20 % at 02:40 by ana
    Do            Turn the flag off; runbook docs/backup.md#403
    Owner         ana (platform)
    Command       mainspring incidents show i_01JD

The facts of an incident that are read here, each of them optional: `what` (text), `last_good_at` (ms), `impact` (text), `missed` (slots),
`next_try_at` (ms, or null = none), `changed` (text), `run` (an id) or `runs` (several, the newest last).
"""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.incidents.incident import DECISION_FACT, MEMBERS_FACT, Incident
from mainspring.domain.notifications.notification import (
    Notification,
    NotificationButton,
    NotificationEvent,
    NotificationField,
    NotificationLink,
)
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.time.cron import to_local
from mainspring.domain.time.success_deadline import MAX_MISSED_COUNT

MAX_NAMED_ITEMS = 3
MAX_ITEM_LENGTH = 120

LONGEST_HEADLINE = 200
LONGEST_FIELD = 1_000
LONGEST_NAME = 200
_LONGEST_ITEMS = 90
"""The part of a headline that may name items."""
_MAX_ESCAPE_LENGTH = 8
"""This many characters may become one, if there is much white space."""
_PRODUCTION = "production"
_STATES = {
    NotificationEvent.ACKNOWLEDGED: "acknowledged",
    NotificationEvent.SNOOZED: "snoozed",
    NotificationEvent.RESOLVED: "resolved",
}
_HEADLINE_PREFIXES = {
    NotificationEvent.REOPENED: "again: ",
    NotificationEvent.REPEATED: "still: ",
    NotificationEvent.ESCALATED: "not acknowledged: ",
}


class FailedItems(msgspec.Struct, frozen=True):
    """`names` = at most MAX_NAMED_ITEMS items, the newest first, each on one printable line; `more` = how many other runs failed."""

    names: tuple[str, ...] = ()
    more: int = 0

    def text(self, longest: int) -> str:
        """Return as many names as fit into this many characters, but at least one, and how many runs follow; "" without a name."""
        for number in range(len(self.names), 0, -1):
            more = self.more + len(self.names) - number
            end = f" and {more:,} more" if more else ""
            text = ", ".join(self.names[:number]) + end
            if len(text) <= longest:
                return text
        return _shorten_start(self.names[0], longest - len(end)) + end if self.names else ""


_NO_ITEMS = FailedItems()


def collect_failed_items(items: Sequence[str], number: int) -> FailedItems:
    """Return the names of items, one for each failed run and "" for a run without one; `number` = how many runs failed in all."""
    lines = [_printable_name(item) for item in items]
    names = tuple(dict.fromkeys(line for line in lines if line))[:MAX_NAMED_ITEMS]
    named = sum(line in names for line in lines)
    return FailedItems(names, max(number - named, 0) if names else 0)


def _printable_name(item: str) -> str:
    # A long item is known by its end: the file of a path.
    line = _shorten_start(" ".join(item.split()), MAX_ITEM_LENGTH)
    return line if is_plain_line(line) else _shorten_start(escape(line), MAX_ITEM_LENGTH)


def _shorten_start(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"…{text[1 - longest :]}"


class NotificationContext(msgspec.Struct, frozen=True, kw_only=True):
    """Context of a notification beside the incident: from the definition of its automation, and from the configuration."""

    owner: str | None = None
    team: str | None = None
    runbook: str | None = None
    zone: ZoneInfo = ZoneInfo("UTC")
    project: str | None = None
    environment: str = _PRODUCTION
    link: str | None = None
    """The page of the incident, with its buttons; None = none that others can reach."""
    buttons: tuple[NotificationButton, ...] = ()
    """The answers to the question of the incident."""
    form: str | None = None
    """The page with the form of the question of the incident; None = it has none."""


def render_notification(
    id: str,
    about: NotificationEvent,
    at: int,
    incident: Incident,
    around: NotificationContext,
    items: FailedItems = _NO_ITEMS,
) -> Notification:
    """Return the notification of an incident in its present state; `id` and `at` are those of the alert, `items` those of its failed
    runs.
    """
    fields = _list_fields(about, incident, around, at, items)
    return Notification(
        id=id,
        key=incident.dedup_key,
        about=about,
        severity=incident.severity,
        headline=render_headline(about, incident, around.environment, items),
        fields=tuple(NotificationField(label, fit_line(text, LONGEST_FIELD)) for label, text in fields if text),
        items=items.names,
        links=_list_links(about, around),
        buttons=() if about is NotificationEvent.RESOLVED else around.buttons,
        automation=fit_line(incident.subject.automation, LONGEST_NAME),
        owner=_shorten_name(around.owner),
        team=_shorten_name(around.team),
        environment=around.environment,
        project=_shorten_name(around.project),
        at=at,
    )


def _list_links(about: NotificationEvent, around: NotificationContext) -> tuple[NotificationLink, ...]:
    links = (NotificationLink("Open", around.link),) if around.link else ()
    is_open = around.form is not None and about is not NotificationEvent.RESOLVED
    return (*links, NotificationLink("Fill in the form", around.form)) if is_open and around.form else links


def render_headline(
    about: NotificationEvent, incident: Incident, environment: str, items: FailedItems = _NO_ITEMS
) -> str:
    """Return the first line. It ends with the items, so a long error is cut and they are not."""
    state = _STATES.get(about, incident.severity.value)
    where = "" if environment == _PRODUCTION else f" ({environment})"
    name = incident.subject.automation or "mainspring"
    ended = _describe_end(incident) if about is NotificationEvent.RESOLVED else ""
    text = f"{ended} ({incident.text})" if ended else f"{_HEADLINE_PREFIXES.get(about, '')}{incident.text}"
    named = items.text(_LONGEST_ITEMS)
    end = f" ({named})" if named else ""
    return fit_line(f"[{state}]{where} {name}: {text}", LONGEST_HEADLINE - len(end)) + end


def _describe_end(incident: Incident) -> str:
    """Return how an incident ended that is over without being fixed: by whose decision, or by the outcome of its runs."""
    if incident.by:
        return f"resolved by {incident.by}{f': {incident.note}' if incident.note else ''}"
    return _format_fact(incident.facts.get(DECISION_FACT))


def fit_line(text: str, longest: int) -> str:
    """Return text as one printable line of at most this many characters."""
    # Of a megabyte only as much is read as may be shown: this runs in the loop that sends notifications.
    head = text if len(text) <= longest * _MAX_ESCAPE_LENGTH else text[: longest * _MAX_ESCAPE_LENGTH]
    line = " ".join(head.split())
    if not is_plain_line(line):  # it was made printable before: this catches a caller that forgot
        line = escape(line)
    return line if head is text and len(line) <= longest else f"{line[: longest - 1]}…"


def _shorten_name(text: str | None) -> str | None:
    return None if text is None else fit_line(text, LONGEST_NAME)


def format_moment(at: int, zone: ZoneInfo) -> str:
    """Return an instant as people read it, with its zone."""
    return f"{to_local(at, zone):%Y-%m-%d %H:%M %Z}"


def _list_fields(
    about: NotificationEvent, incident: Incident, around: NotificationContext, at: int, items: FailedItems
) -> list[tuple[str, str]]:
    is_over = about is NotificationEvent.RESOLVED
    facts = incident.facts
    return [
        ("What", _describe_problem(incident)),
        ("Item" if len(items.names) == 1 and not items.more else "Items", items.text(LONGEST_FIELD)),
        ("Since", _describe_start(incident, around.zone)),
        ("Until", _describe_snooze(incident, around.zone) if is_over else ""),
        ("Note", _describe_note(incident)),
        ("Impact", describe_impact(facts)),
        ("Next attempt", "" if is_over else describe_next_try(facts, around.zone, at)),
        ("Changed", _format_fact(facts.get("changed"))),
        ("Do", "" if is_over else "; ".join(_suggest_actions(incident, around))),
        ("Owner", _describe_owner(around)),
        ("Command", _show_command(incident)),
    ]


def _describe_problem(incident: Incident) -> str:
    problem = _format_fact(incident.facts.get("what"))
    count = _format_fact(incident.facts.get(MEMBERS_FACT))
    if not count and incident.number > 1:
        count = f"{incident.number} failures since it was opened"
    return "; ".join(part for part in (problem, count) if part)


def _describe_start(incident: Incident, zone: ZoneInfo) -> str:
    good = incident.facts.get("last_good_at")
    last = f", last success {format_moment(good, zone)}" if isinstance(good, int) else ""
    again = f", opened {incident.opened} times" if incident.opened > 1 else ""
    return f"{format_moment(incident.since_at, zone)}{last}{again}"


def _describe_snooze(incident: Incident, zone: ZoneInfo) -> str:
    return format_moment(incident.resolved_at or incident.changed_at, zone)


def _describe_note(incident: Incident) -> str:
    return ": ".join(part for part in (incident.by, incident.note) if part)


def describe_impact(facts: dict[str, Any]) -> str:
    """Return what is missing, in words; "" if nothing is known."""
    missed = facts.get("missed")
    slots = ""
    if isinstance(missed, int) and missed:
        more = " or more" if missed >= MAX_MISSED_COUNT else ""
        slots = f"{missed}{more} {'slot' if missed == 1 else 'slots'} missed"
    return _format_fact(facts.get("impact")) or slots


def describe_next_try(facts: dict[str, Any], zone: ZoneInfo, at: int) -> str:
    """Return when the next try starts by itself, as seen at an instant; "" if nothing is known."""
    if "next_try_at" not in facts:
        return ""
    next_at = facts["next_try_at"]
    if not isinstance(next_at, int):
        return "none, needs a person"
    # A repeated notification was evaluated before: it is no promise any more.
    return f"was due {format_moment(next_at, zone)}" if next_at < at else format_moment(next_at, zone)


def _suggest_actions(incident: Incident, around: NotificationContext) -> list[str]:
    return [text for text in (incident.hint, f"runbook {around.runbook}" if around.runbook else "") if text]


def _describe_owner(around: NotificationContext) -> str:
    if around.owner and around.team:
        return f"{around.owner} ({around.team})"
    return around.owner or around.team or ""


def _show_command(incident: Incident) -> str:
    runs = incident.facts.get("runs")
    run = _format_fact(incident.facts.get("run")) or (_format_fact(runs[-1]) if isinstance(runs, list) and runs else "")
    return f"mainspring incidents show {incident.id}" + (f" or mainspring runs show {run}" if run else "")


def _format_fact(value: Any) -> str:
    return value if isinstance(value, str) else ""
