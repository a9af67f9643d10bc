"""From an incident to what channels are given: the same finished text everywhere, a first line for a lock screen, then what to do.

    [page] backup: no success for 26 h (expected daily 03:00 Europe/Berlin)
    What      3 runs failed at step upload: 403 AccessDenied (permanent)
    Items     Back up host a, Back up host b, Back up host c
    Since     2026-10-05 03:00 CEST, last good 2026-10-04 03:04 CEST
    Impact    1 backup is missing
    Next try  none, needs a person
    Changed   flag s3-v2 to 20 % at 02:40 by ana
    Do        Turn the flag off; runbook docs/backup.md#403
    Owner     ana (platform)
    Command   mainspring incidents show i_01JD

The facts of an incident that are read here, each of them optional: `what` (text), `last_good_at` (ms), `impact` (text), `missed` (slots),
`next_try_at` (ms, or null = none), `changed` (text), `run` (an id) or `runs` (several, the newest last).
"""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.cadence import MOST_COUNTED
from mainspring.domain.cron import to_local
from mainspring.domain.failed_items import FailedItems
from mainspring.domain.incident import DECIDED, MEMBERS, Incident
from mainspring.domain.notice import About, Field, Link, Notice
from mainspring.domain.text import escape, is_plain_line

LONGEST_HEADLINE = 200
LONGEST_FIELD = 1_000
LONGEST_NAME = 200
_LONGEST_ITEMS = 90
"""What of a headline may name items."""
_NO_ITEMS = FailedItems()
_MOST_TO_ONE = 8
"""So many characters may become one, where there is much white space."""
_PRODUCTION = "production"
_STATES = {About.ACKNOWLEDGED: "acknowledged", About.SNOOZED: "snoozed", About.RESOLVED: "resolved"}
_AGAIN = {About.REOPENED: "again: ", About.REPEATED: "still: ", About.ESCALATED: "nobody has acknowledged: "}


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What is told beside the incident: from the definition of its automation, and from the configuration."""

    owner: str | None = None
    team: str | None = None
    runbook: str | None = None
    zone: ZoneInfo = ZoneInfo("UTC")
    project: str | None = None
    environment: str = _PRODUCTION
    link: str | None = None
    """Where the incident can be seen and acted on; None = nowhere that others can reach."""


def render_notice(
    id: str, about: About, at: int, incident: Incident, around: Circumstances, items: FailedItems = _NO_ITEMS
) -> Notice:
    """Return what is told of an incident as it stands; `id` and `at` are those of the alert, `items` those of its failed runs."""
    fields = _fields(about, incident, around, at, items)
    return Notice(
        id=id,
        key=incident.dedup_key,
        about=about,
        severity=incident.severity,
        headline=headline_of(about, incident, around.environment, items),
        fields=tuple(Field(label, one_line(text, LONGEST_FIELD)) for label, text in fields if text),
        items=items.names,
        links=(Link("Open", around.link),) if around.link else (),
        automation=one_line(incident.subject.automation, LONGEST_NAME),
        owner=_name(around.owner),
        team=_name(around.team),
        environment=around.environment,
        project=_name(around.project),
        at=at,
    )


def headline_of(about: About, incident: Incident, environment: str, items: FailedItems = _NO_ITEMS) -> str:
    """Return the first line. It ends with the items, so a long error is cut and they are not."""
    state = _STATES.get(about, incident.severity.value)
    where = "" if environment == _PRODUCTION else f" ({environment})"
    name = incident.subject.automation or "mainspring"
    ended = _ended_by(incident) if about is About.RESOLVED else ""
    text = f"{ended} ({incident.text})" if ended else f"{_AGAIN.get(about, '')}{incident.text}"
    named = items.text(_LONGEST_ITEMS)
    end = f" ({named})" if named else ""
    return one_line(f"[{state}]{where} {name}: {text}", LONGEST_HEADLINE - len(end)) + end


def _ended_by(incident: Incident) -> str:
    """Return how an incident ended that is over without being fixed: by whose word, or by what became of its runs."""
    if incident.by:
        return f"resolved by {incident.by}{f': {incident.note}' if incident.note else ''}"
    return _text(incident.facts.get(DECIDED))


def one_line(text: str, longest: int) -> str:
    """Return text as one printable line of at most so many characters."""
    # Of a megabyte no more is looked at than may be shown: this is done in the loop that tells people.
    head = text if len(text) <= longest * _MOST_TO_ONE else text[: longest * _MOST_TO_ONE]
    line = " ".join(head.split())
    if not is_plain_line(line):  # it was made printable before: this is for the one that was forgotten
        line = escape(line)
    return line if head is text and len(line) <= longest else f"{line[: longest - 1]}…"


def _name(text: str | None) -> str | None:
    return None if text is None else one_line(text, LONGEST_NAME)


def moment_of(at: int, zone: ZoneInfo) -> str:
    """Return an instant as people read it, with its zone."""
    return f"{to_local(at, zone):%Y-%m-%d %H:%M %Z}"


def _fields(
    about: About, incident: Incident, around: Circumstances, at: int, items: FailedItems
) -> list[tuple[str, str]]:
    is_over = about is About.RESOLVED
    facts = incident.facts
    return [
        ("What", _what(incident)),
        ("Item" if len(items.names) == 1 and not items.more else "Items", items.text(LONGEST_FIELD)),
        ("Since", _since(incident, around.zone)),
        ("Until", _until(incident, around.zone) if is_over else ""),
        ("Note", _note(incident)),
        ("Impact", impact_of(facts)),
        ("Next try", "" if is_over else next_try_of(facts, around.zone, at)),
        ("Changed", _text(facts.get("changed"))),
        ("Do", "" if is_over else "; ".join(_acts(incident, around))),
        ("Owner", _owner(around)),
        ("Command", _command(incident)),
    ]


def _what(incident: Incident) -> str:
    what = _text(incident.facts.get("what"))
    count = _text(incident.facts.get(MEMBERS))
    if not count and incident.number > 1:
        count = f"{incident.number} failures since it was opened"
    return "; ".join(part for part in (what, count) if part)


def _since(incident: Incident, zone: ZoneInfo) -> str:
    good = incident.facts.get("last_good_at")
    last = f", last good {moment_of(good, zone)}" if isinstance(good, int) else ""
    again = f", opened {incident.opened} times" if incident.opened > 1 else ""
    return f"{moment_of(incident.since_at, zone)}{last}{again}"


def _until(incident: Incident, zone: ZoneInfo) -> str:
    return moment_of(incident.resolved_at or incident.changed_at, zone)


def _note(incident: Incident) -> str:
    return ": ".join(part for part in (incident.by, incident.note) if part)


def impact_of(facts: dict[str, Any]) -> str:
    """Return what is missing, in words; "" where nothing is known of that."""
    missed = facts.get("missed")
    slots = ""
    if isinstance(missed, int) and missed:
        more = " or more" if missed >= MOST_COUNTED else ""
        slots = f"{missed}{more} {'slot' if missed == 1 else 'slots'} missed"
    return _text(facts.get("impact")) or slots


def next_try_of(facts: dict[str, Any], zone: ZoneInfo, at: int) -> str:
    """Return when it is tried again by itself, as it looks at an instant; "" where nothing is known of that."""
    if "next_try_at" not in facts:
        return ""
    next_at = facts["next_try_at"]
    if not isinstance(next_at, int):
        return "none, needs a person"
    # What is told again was judged before: it is no promise any more.
    return f"was due {moment_of(next_at, zone)}" if next_at < at else moment_of(next_at, zone)


def _acts(incident: Incident, around: Circumstances) -> list[str]:
    return [text for text in (incident.hint, f"runbook {around.runbook}" if around.runbook else "") if text]


def _owner(around: Circumstances) -> str:
    if around.owner and around.team:
        return f"{around.owner} ({around.team})"
    return around.owner or around.team or ""


def _command(incident: Incident) -> str:
    runs = incident.facts.get("runs")
    run = _text(incident.facts.get("run")) or (_text(runs[-1]) if isinstance(runs, list) and runs else "")
    return f"mainspring incidents show {incident.id}" + (f" | mainspring runs show {run}" if run else "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
