"""`/`: one verdict, what it stands on, and buttons that act once."""

import json
import re

import pytest

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.states import IncidentState
from mainspring.service import incident
from mainspring.store.commands.incidents import AcknowledgeIncident
from mainspring.store.read.incidents import incidents
from mainspring.store.read.status.status import audit_rows
from tests.api_world import BACKUP
from tests.contract.store.process import fail, halt
from tests.counted_reads import counted
from tests.unit.web.dashboard.open_incident import HOSTILE, fail_run, find_invalid, find_storm, state_of
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import ask_question, claimed

pytestmark = pytest.mark.asyncio


def heading(text):
    """Return the verdict, without its mark."""
    found = re.search(r"<h1>(?:<span.*?</span></span>)?\s*(.*?)</h1>", text, re.S)
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split()) if found else ""


async def test_healthy_project_is_one_line(world):
    """With what there is to do first; bar, title and icon say the same."""
    text = await world.get("/")
    assert heading(text) == "Healthy"
    assert "healthy" in text
    assert re.search(r'<link rel="icon" href="/assets/good-\w+\.svg">', text)
    assert "No run is running" in text
    assert "No run is due" in text


async def test_open_incidents_are_first_with_owner_and_next_step(world):
    """The loudest above, with the run that failed; the page, its title and the bar count alike."""
    find_invalid(world, "backup", "i_2", IncidentKind.TOO_SLOW, Severity.NOTIFY, "took long", hint="Look at the disk")
    run = fail_run(world)
    text = await world.get("/")
    assert heading(text) == "2 things need you"
    assert "<title>(2) Now" in text
    assert text.index("it broke") < text.index("took long")
    assert f'href="/r/{run}"' in text
    assert "Look at the disk" in text
    assert text.count("no one yet") == 2
    assert "mainspring incidents ack i_1" in text
    assert re.search(r'<link rel="icon" href="/assets/bad-\w+\.svg">', text)


async def test_silence_questions_and_runs_have_their_place(world):
    """Expected and not seen; asked, until when and what then; what runs; the newest runs as cells."""
    facts = {"expected": "daily 03:00", "last_good_at": 1, "missed": 2}
    find_invalid(world, "backup", "i_2", facts=facts)
    question = ask_question(world, choices=["yes", "no"], otherwise="no")
    running = claimed(world).id
    text = await world.get("/")
    assert "daily 03:00" in text
    assert re.search(r'Missed" class="number"><a href="/incidents/i_2">2</a>', text)
    assert 'Charge it?</a> <span class="quiet">yes or no</span>' in text
    assert "then no" in text
    assert f"/r/{question}" in text
    assert f"/r/{running}" in text
    assert 'aria-label="The newest 2: 1 running, 1 waiting; the last is running."' in text


async def test_button_works_once_and_is_confirmed(world):
    """And what bar and page say is of after it, though the verdict is kept for a second."""
    find_invalid(world)
    assert "1 thing needs you" in await world.get("/")
    for _ in range(2):
        done = await world.submit("/", "acknowledge", incident="i_1", page="p1")
        assert printed_text(done.text) == "Done: acknowledge incident i_1."
    assert heading(done.text) == "1 problem is acknowledged by ana"
    assert "acknowledged by web:ana" in done.text
    assert [row.verb for row in audit_rows(world.store.reader)][:2] == ["acknowledge", "sign in"]
    snoozed = await world.submit("/", "snooze", incident="i_1", span="4h")
    assert (printed_text(snoozed.text), state_of(world)) == ("Done: snooze incident i_1.", IncidentState.SNOOZED)


async def test_page_that_was_postponed_is_not_called_well(world):
    """Neither in the sentence nor in bar, title and icon."""
    find_invalid(world)
    answer = await world.submit("/", "snooze", incident="i_1", span="4h")
    assert re.fullmatch(r"1 problem is snoozed until (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC by ana", heading(answer.text))
    assert "ll is well" not in answer.text
    assert "1 problem acknowledged" in answer.text
    assert re.search(r'<link rel="icon" href="/assets/warn-\w+\.svg">', answer.text)


async def test_failed_run_that_is_undecided_is_never_green(world):
    """With a link to it, to everyone who sees it, also while someone looks after its incident."""
    fail_run(world)
    (incident,) = incidents(world.store.reader)
    world.store.apply(AcknowledgeIncident(incident.id, "ana"))
    world.site.project_status.forget()
    for who in ("ana", "payer"):
        text = await world.get("/", who=who)
        assert heading(text) == "1 failed run still needs a decision"
        assert '<a href="/failed?state=failed">1 failed run still needs a decision</a>' in text
        assert '<link rel="icon" href="/assets/good-' not in text
    assert "E: m" in await world.get("/failed", state="failed")
    find_invalid(world, "pay", "i_2", text="mine")
    assert heading(await world.get("/", who="payer")) == "1 thing needs you"


async def test_restricted_visitor_sees_only_its_own_stuck_runs(world):
    """A run that needs a person, and one that failed, each before a watcher told of it."""
    world.store.apply(halt(claimed(world), "s1"))
    world.store.apply(fail(claimed(world, BACKUP), "s1"))
    world.site.project_status.forget()
    text = await world.get("/", who="payer")
    assert heading(text) == "1 thing needs you"
    assert "1 run needs a person" in text
    assert "still needs a decision" not in text
    text = await world.get("/")
    assert (heading(text), "1 failed run still needs a decision" in text) == ("1 thing needs you", True)


async def test_one_request_reads_open_incidents_once(world, monkeypatch):
    """What is reported and what is folded, each once: sentence, list, strips, bar and title agree. A second request reads neither."""
    monkeypatch.setattr(
        "mainspring.web.api.cached_project_status._FRESH_MS", 60_000
    )  # a busy machine needs more than a second
    find_storm(world, "pay", "backup")
    await world.get("/me")
    world.site.project_status.forget()
    reads = counted(world.store.reader)
    for _ in range(2):
        assert heading(await world.get("/")) == "1 thing needs you"
    assert reads.count("list_open_incidents") == 2


async def test_viewer_finds_no_button_and_no_command_that_it_may_not_give(world):
    """What is not to be pressed is not drawn."""
    find_invalid(world)
    assert await world.visible_to("no success", "/") == [True, True]
    assert await world.visible_to(">Acknowledge<", "/") == [True, False]


async def test_restricted_visitor_sees_no_other_automation(world):
    """Neither names nor counts nor words of another one, nor of the house itself; its verdict is its own."""
    find_invalid(world, "backup", "i_2", text="the disk is full")
    find_invalid(world, "", "i_3", IncidentKind.WORKER_LOST, text="no worker lives")
    ask_question(world, "How much?", BACKUP)
    text = await world.get("/", who="payer")
    for word in ("backup", "disk", "worker lives", "alive", "How much", "2 things", "System"):
        assert word not in text, word
    assert heading(text) == "Healthy"
    assert "1 automation" in text
    find_invalid(world, "pay", "i_4", text="mine")
    assert heading(await world.get("/", who="payer")) == "1 thing needs you"
    late = await world.submit("/", "acknowledge", who="payer", incident="i_2")
    assert (late.status_code, state_of(world, "i_2")) == (404, IncidentState.OPEN)


async def test_hostile_words_are_text(world):
    """Of incidents, hints, and anyone who acknowledged."""
    find_invalid(world, text=HOSTILE, hint=HOSTILE, facts={"expected": HOSTILE})
    incident.acknowledge(world.store, "i_1", act=world.auth.act())
    ask_question(world, "<script>alert(2)</script>")
    text = await world.get("/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


async def test_bad_span_is_reported_and_nothing_is_done(world):
    """In words that say what would be a span."""
    find_invalid(world)
    answer = await world.submit("/", "snooze", incident="i_1", span="soon")
    assert answer.status_code == 409
    assert "Write a span" in printed_text(answer.text)
    assert state_of(world) is IncidentState.OPEN


async def test_storm_is_listed_once_for_each_visitor_of_a_part(world):
    """One thing for who sees all, and both automations are marked; who sees one of them sees that, and nothing else."""
    find_storm(world, "pay", "backup")
    text = await world.get("/")
    assert heading(text) == "1 thing needs you"
    assert text.count("</span> silence</a>") == 2
    for path in ("/", "/incidents", "/handover"):
        text = await world.get(path, who="payer")
        assert "1 thing needs you" in text, path
        assert "pay is gone" in text, path
        assert "backup" not in text, path
        assert "i_storm" not in text, path
    assert "</span> silence</a>" in await world.get("/a/pay", who="payer")
    text = await world.get("/incidents/i_pay", who="payer")
    assert "Part of" not in text
    assert "i_storm" not in text
    text = await world.get("/incidents/i_pay")
    assert '<a href="/incidents/i_storm">the host is gone</a>' in text
    assert [incident["id"] for incident in json.loads(await world.get("/", who="payer", **{"as": "json"}))] == ["i_pay"]
