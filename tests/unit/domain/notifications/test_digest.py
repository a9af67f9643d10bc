"""The digest of what needs no one now."""

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.notifications.digest import render_digest
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext, collect_failed_items
from mainspring.domain.states import IncidentState

AT = 1_791_162_000_000


def incident(number, **more):
    fields = {
        "id": f"i_{number}",
        "subject": Subject(f"a{number}", IncidentKind.TOO_SLOW),
        "state": IncidentState.OPEN,
        "severity": Severity.DIGEST,
        "text": "takes 4 min instead of 1",
        "hint": None,
        "facts": {},
        "since_at": AT + number * 60_000,
        "opened_at": AT,
        "changed_at": AT,
        "seen_at": AT,
    }
    return Incident(**(fields | more))


def test_digest_lists_each_incident_once_and_the_oldest_first():
    """One line each, with the command that shows more; what is over says so."""
    listed = [incident(2), incident(1), incident(2), incident(3, state=IncidentState.RESOLVED)]
    notice = render_digest("a_1", listed, AT, NotificationContext())
    assert notice.headline == "[digest] 3 incidents and warnings to check when you have time"
    assert (notice.about, notice.key) == (NotificationEvent.DIGEST, "mainspring:digest:a_1")
    assert notice.body.splitlines() == [
        "a1  takes 4 min instead of 1 (since 2026-10-05 01:01 UTC); mainspring incidents show i_1",
        "a2  takes 4 min instead of 1 (since 2026-10-05 01:02 UTC); mainspring incidents show i_2",
        "a3  over; takes 4 min instead of 1 (since 2026-10-05 01:03 UTC); mainspring incidents show i_3",
    ]


def test_digest_names_the_items_of_failed_runs():
    """Behind what failed."""
    notice = render_digest(
        "a_1", [incident(1)], AT, NotificationContext(), items_of=lambda _: collect_failed_items(["f2", "f1"], 2)
    )
    assert notice.fields[0].text.startswith("takes 4 min instead of 1 (f2, f1) (since ")


def test_digest_of_many_counts_the_rest():
    """A message has an end."""
    notice = render_digest("a_1", [incident(n) for n in range(45)], AT, NotificationContext(environment="dev"))
    assert notice.headline.startswith("[digest] (dev) 45 incidents and warnings")
    assert len(notice.fields) == 41
    assert notice.fields[-1].text == "5 others: mainspring incidents list"


def test_early_warnings_follow_incidents_with_their_label():
    """One line a label, with the automations; all of them are counted."""
    signs = [EarlyWarning("Fixed by a retry", f"s{n}", "3 attempts failed") for n in range(9)]
    signs.append(EarlyWarning("Paused long", "a", "for 3d by ann"))
    notice = render_digest("a_1", [incident(1)], AT, NotificationContext(), signs)
    assert notice.headline == "[digest] 11 incidents and warnings to check when you have time"
    assert [field.label for field in notice.fields] == ["a1", "Fixed by a retry", "Paused long"]
    assert notice.fields[1].text.startswith("s0: 3 attempts failed; s1: ")
    assert notice.fields[1].text.endswith("; 1 others")
