"""From an incident to text: the first line, the fields, and which alerts are still worth telling.

The items of failed runs, as a message names them.
"""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.notifications.alert_filter import should_send_alert, sort_by_severity
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import (
    MAX_ITEM_LENGTH,
    FailedItems,
    NotificationContext,
    collect_failed_items,
    fit_line,
    render_notification,
)
from mainspring.domain.states import IncidentState
from mainspring.domain.text.escaping import is_plain_line

AT = 1_791_162_000_000  # 2026-10-05 03:00 in Berlin
AROUND = NotificationContext(owner="ana", team="platform", runbook="docs/backup.md#403", zone=ZoneInfo("Europe/Berlin"))


def incident(**more):
    fields = {
        "id": "i_1",
        "subject": Subject("backup", IncidentKind.SILENCE),
        "state": IncidentState.OPEN,
        "severity": Severity.PAGE,
        "text": "no success for 26 h (expected daily 03:00 Europe/Berlin)",
        "hint": "Turn the flag off",
        "facts": {},
        "since_at": AT,
        "opened_at": AT,
        "changed_at": AT,
        "seen_at": AT,
    }
    return Incident(**(fields | more))


def render(about=NotificationEvent.OPENED, around=AROUND, **more):
    return render_notification("a_1", about, AT, incident(**more), around)


def test_notice_has_cause_time_impact_and_next_step():
    """All that is known stands in one order, with the command that shows more."""
    facts = {
        "what": "3 runs failed at step upload: 403 AccessDenied (permanent)",
        "last_good_at": AT - 86_160_000,
        "missed": 1,
        "next_try_at": None,
        "changed": "flag s3-v2 to 20 % at 02:40 by ana",
        "run": "r_01JD",
    }
    notice = render(facts=facts)
    assert notice.headline == "[page] backup: no success for 26 h (expected daily 03:00 Europe/Berlin)"
    assert notice.key == "mainspring:i_1:1"
    assert notice.body.splitlines() == [
        "What          3 runs failed at step upload: 403 AccessDenied (permanent)",
        "Since         2026-10-05 03:00 CEST, last success 2026-10-04 03:04 CEST",
        "Impact        1 slot missed",
        "Next attempt  none, needs a person",
        "Changed       flag s3-v2 to 20 % at 02:40 by ana",
        "Do            Turn the flag off; runbook docs/backup.md#403",
        "Owner         ana (platform)",
        "Command       mainspring incidents show i_1 or mainspring runs show r_01JD",
    ]


@pytest.mark.parametrize(
    ("about", "more", "headline"),
    [
        (NotificationEvent.REOPENED, {}, "[page] backup: again: no success"),
        (NotificationEvent.REPEATED, {}, "[page] backup: still: no success"),
        (NotificationEvent.ESCALATED, {}, "[page] backup: not acknowledged: no success"),
        (NotificationEvent.ACKNOWLEDGED, {}, "[acknowledged] backup: no success"),
        (NotificationEvent.RESOLVED, {}, "[resolved] backup: no success"),
        (NotificationEvent.OPENED, {"subject": Subject("", IncidentKind.STORE_LOST)}, "[page] mainspring: no success"),
    ],
)
def test_first_line_names_the_subject(about, more, headline):
    """Severity or state, name, and what is wrong: enough for a lock screen."""
    assert render(about, **more).headline.startswith(headline)


def test_other_environment_is_named_in_the_first_line():
    """What comes from a test installation cannot be taken for the real one."""
    assert render(around=NotificationContext(environment="staging")).headline.startswith("[page] (staging) backup: ")


def test_resolved_notice_needs_nothing():
    """It says until when and by whom, and no more what to do."""
    labels = {
        field.label: field.text
        for field in render(NotificationEvent.RESOLVED, resolved_at=AT + 60_000, by="ana", note="disk freed").fields
    }
    assert labels["Until"] == "2026-10-05 03:01 CEST"
    assert labels["Note"] == "ana: disk freed"
    assert not {"Do", "Next attempt"} & labels.keys()


def test_text_is_one_printable_line_however_long_and_odd_it_was():
    """A headline has at most 200 characters; line ends and escapes of a terminal do no harm."""
    notice = render(text="a\nb\x1b[31m" + "x" * 500, facts={"what": "y\u202e" + "z" * 5_000})
    assert len(notice.headline) == 200
    assert notice.headline.startswith(r"[page] backup: a b\x1b[31mxxx")
    assert len(notice.fields[0].text) == 1_000
    assert notice.fields[0].text.isprintable()


def test_page_is_linked_where_there_is_one():
    """The link is that of the incident."""
    assert render().links == ()
    (link,) = render(around=NotificationContext(link="https://ops.example.com/i/x")).links
    assert link.url == "https://ops.example.com/i/x"


OVER = {"state": IncidentState.RESOLVED, "resolved_at": AT + 300_000}
BRIEF = {"state": IncidentState.RESOLVED, "resolved_at": AT + 20_000}
ANSWERED = {"state": IncidentState.ACKNOWLEDGED}


@pytest.mark.parametrize(
    ("about", "more", "has_text", "is_worth"),
    [
        (NotificationEvent.OPENED, {}, False, True),
        (NotificationEvent.OPENED, ANSWERED, False, True),
        (NotificationEvent.OPENED, OVER, False, False),
        (NotificationEvent.OPENED, {"opened": 2}, False, False),
        (NotificationEvent.REPEATED, {}, True, True),
        (NotificationEvent.REPEATED, ANSWERED, True, False),
        (NotificationEvent.ESCALATED, ANSWERED, False, False),
        (NotificationEvent.ACKNOWLEDGED, ANSWERED, True, True),
        (NotificationEvent.RESOLVED, OVER, True, True),
        (NotificationEvent.RESOLVED, OVER, False, True),
        (NotificationEvent.RESOLVED, BRIEF, True, True),
        (NotificationEvent.RESOLVED, BRIEF, False, False),
        (NotificationEvent.RESOLVED, {"opened": 2}, True, True),
        (NotificationEvent.DIGEST, OVER, False, True),
    ],
)
def test_resolved_or_answered_alert_is_not_sent(about, more, has_text, is_worth):
    """An opening that is over is reported by its end, unless it fixed itself within the moment in which no one was notified."""
    found = should_send_alert(about, 1, incident(**more), is_notified=has_text, brief_ms=30_000)
    assert found is is_worth


@pytest.mark.parametrize(
    ("since_at", "is_worth"),
    [(AT, True), (AT + 269_000, True), (AT + 270_000, False), (AT + 290_000, False), (AT + 900_000, True)],
)
def test_ungrouped_incident_lasts_from_the_end_of_its_parent(since_at, is_worth):
    """What follows from a cause ends soon after it: no one was notified, so its end is not sent either. A clock put back mutes nothing."""
    over = incident(**OVER)
    assert (
        should_send_alert(NotificationEvent.RESOLVED, 1, over, is_notified=False, brief_ms=30_000, since_at=since_at)
        is is_worth
    )
    assert should_send_alert(NotificationEvent.RESOLVED, 1, over, is_notified=True, brief_ms=30_000, since_at=since_at)


def test_list_starts_with_the_loudest_and_oldest():
    """A digest is read from its top."""
    ids = [
        incident.id
        for incident in sort_by_severity(
            [
                incident(id="a", severity=Severity.DIGEST),
                incident(id="b", since_at=AT + 1),
                incident(id="c"),
            ]
        )
    ]
    assert ids == ["c", "b", "a"]


@given(st.text(st.sampled_from("ab \n\t\x1b\u202e\ud800…"), max_size=200), st.integers(1, 30))
def test_one_line_is_plain_and_bounded(text, longest):
    """However long and whatever it is; only what was cut ends in an ellipsis."""
    line = fit_line(text, longest)
    assert len(line) <= longest
    assert is_plain_line(line)
    assert line == fit_line(text, 10_000) or line.endswith("…")


@pytest.mark.parametrize(
    ("facts", "label", "text"),
    [
        ({"missed": 3}, "Impact", "3 slots missed"),
        ({"missed": 100}, "Impact", "100 or more slots missed"),
        ({"missed": 0}, "Impact", None),
        ({"next_try_at": AT + 60_000}, "Next attempt", "2026-10-05 03:01 CEST"),
        ({"next_try_at": AT - 60_000}, "Next attempt", "was due 2026-10-05 02:59 CEST"),
        ({}, "Next attempt", None),
    ],
)
def test_next_steps_are_current_when_sent(facts, label, text):
    """A try that was to come is no promise any more when its time is over."""
    assert {field.label: field.text for field in render(facts=facts).fields}.get(label) == text


def test_message_of_failed_runs_names_their_items():
    """In the headline, however long the error is, in the text, and as data for programs; the key of the message stays the same."""
    items = collect_failed_items(["Book f3.csv", "Book f2.csv", "Book f1.csv", "Book f0.csv"], 4)
    failed = incident(text="failed: " + "x" * 500)
    notice = render_notification("a_1", NotificationEvent.OPENED, AT, failed, AROUND, items)
    assert len(notice.headline) == 200
    assert notice.headline.endswith("x… (Book f3.csv, Book f2.csv, Book f1.csv and 1 more)")
    assert notice.body.splitlines()[0] == "Items    Book f3.csv, Book f2.csv, Book f1.csv and 1 more"
    assert notice.items == ("Book f3.csv", "Book f2.csv", "Book f1.csv")
    assert notice.key == render_notification("a_2", NotificationEvent.OPENED, AT, failed, AROUND).key


def test_message_of_one_failed_run_names_its_item():
    """A message that says how its runs were decided names it too."""
    items = collect_failed_items(["f1.csv"], 1)
    notice = render_notification(
        "a_1", NotificationEvent.RESOLVED, AT, incident(by="ana", state=IncidentState.RESOLVED), AROUND, items
    )
    assert notice.headline.startswith("[resolved] backup: resolved by ana (no success")
    assert notice.headline.endswith(" (f1.csv)")
    assert ("Item", "f1.csv") in [(field.label, field.text) for field in notice.fields]


@pytest.mark.parametrize(
    ("items", "number", "text"),
    [
        ([], 0, ""),
        (["", ""], 2, ""),
        (["a.csv"], 1, "a.csv"),
        (["c", "b", "a"], 3, "c, b, a"),
        (["e", "d", "c", "b", "a"], 5, "e, d, c and 2 more"),
        (["b", "b", "a"], 3, "b, a"),
        (["b", ""], 2, "b and 1 more"),
        (["d", "c", "b"], 2_003, "d, c, b and 2,000 more"),
    ],
)
def test_message_names_three_items_and_counts_the_rest(items, number, text):
    """Two failures of one item name it once; a run without an item is counted."""
    assert collect_failed_items(items, number).text(1_000) == text


def test_items_that_do_not_fit_are_counted():
    """One is always named; of a long one the end is what tells."""
    items = collect_failed_items(["a" * 30, "b" * 30, "c" * 30], 4)
    assert items.text(60) == f"{'a' * 30} and 3 more"
    assert FailedItems(("/data/inbox/2026/11/29/f17.csv",)).text(10) == "…9/f17.csv"
    (name,) = collect_failed_items(["/data/" + "x" * 500 + "/f17.csv"], 1).names
    assert len(name) == MAX_ITEM_LENGTH
    assert name.endswith("/f17.csv")


def test_items_are_one_printable_line():
    """What a terminal would obey is escaped."""
    (name,) = collect_failed_items(["a\n\x1b[31mred"], 1).names
    assert name == "a \\x1b[31mred"
