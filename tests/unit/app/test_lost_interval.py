"""A restored store does not repeat what the replaced one may have done, on both databases: listed, and started by a person alone."""

import apsw
import msgspec
import psycopg
import pytest

import mainspring as ms
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.app.stores.backups import back_up, restore_backup
from mainspring.app.stores.store_factory import make_store
from mainspring.cli.main import run_command_line
from mainspring.domain.clock import SystemClock
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS
from mainspring.domain.states import RolloutMove
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.status.lost_interval import NEXT_STEP, undecided_items_text
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.service import automation, flag, lost_interval, restore_hold
from mainspring.service.actor import Actor, operation_context
from mainspring.service.rollout import RolloutPlan, move_rollout, start_rollout
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import list_runs
from tests.contract.store.deliveries import accepting
from tests.contract.store.process import Process, outcome, post

HOUR = 3_600_000


def declared():
    with Registry() as registry:

        @ms.on.webhook(path="/in", verify=ms.verify.none(), filter=lambda event: True)
        @ms.task(cron="0 * * * *")
        def report() -> None: ...

        @ms.task(cron="0 * * * *", delivery="at_most_once")
        def charge() -> None: ...

        @ms.workflow(cron="0 * * * *")
        async def order(run: ms.Run) -> None: ...

        @ms.task(name="tidy")
        def tidy() -> None: ...

        @ms.task(name="tidy", version=2, rollout=True)
        def tidy_again() -> None: ...

    return registry


class Site:
    """A store with due times three hours back, an undecided delivery and an unsent message."""

    def __init__(self, url, folder):
        self.url = url
        self.folder = folder
        self.clock = SystemClock()
        self.opened = None

    def open(self):
        self.opened = make_store(self.url, clock=self.clock)
        self.opened.open()
        self.opened.open_session("worker")
        self.opened.apply(build_announcement(declared(), self.clock.now()))
        return self.opened

    def close(self):
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def act(self, command=None):
        return operation_context(Actor.cli("ann", "box"), self.clock, command=command)

    @property
    def reads(self):
        return OperationReads(self.opened.reader)

    def change(self, text):
        """Change the database behind the store's back."""
        if "://" not in self.url or self.url.startswith("sqlite"):
            with apsw.Connection(self.url.removeprefix("sqlite:///")) as connection:
                connection.execute(text)
            return
        address, _, schema = self.url.partition("?schema=")
        with psycopg.connect(address, options=f"-csearch_path={schema}") as connection:
            connection.execute(text)

    def automations(self):
        return sorted(run.automation for run in list_runs(self.opened.reader).runs)


class Arriving(Process):
    """Names and starts for arrivals."""

    def __init__(self):
        self.clock = SystemClock()


@pytest.fixture(params=["file", "server"])
def site(request, tmp_path):
    url = (
        f"sqlite:///{tmp_path / 's.db'}" if request.param == "file" else request.getfixturevalue("postgres").new_store()
    )
    made = Site(url, tmp_path / "copies")
    yield made
    made.close()


@pytest.fixture
def restored(site):
    """The store after a backup and an hour of work that is lost; nothing was due when the backup was made but the last three hours."""
    store = site.open()
    top = site.clock.now() - site.clock.now() % HOUR
    report = accepting(Arriving(), "k", trigger="report/webhook", filtered=True, start=None)
    assert isinstance(store.apply(report), DeliveryStored)
    start = Arriving().starting("report")
    store.apply(start)
    (run,) = store.apply(ClaimRuns("c1", 1)).runs
    store.apply(outcome(run, 1, posts=(post(),)))
    site.change(f"update schedules set next_slot_at = {top - 2 * HOUR}")
    plan = RolloutPlan((500_000, 1_000_000), hold_ms=HOUR)
    start_rollout(store, store.reader, "tidy", 2, plan, act=site.act("r"))
    copy = back_up(site.url, site.folder, clock=site.clock, keep=None).path
    automation.pause(store, "report", act=site.act())
    flag.change_flag(store, store.reader, site.clock, "mailer", FlagChange(share=50_000), act=site.act("f"))
    flag.kill_flag(store, store.reader, "mailer", act=site.act("k"))
    move_rollout(store, "tidy", RolloutMove.ABORT, act=site.act("a"))
    site.close()
    done = restore_backup(copy, site.url, clock=site.clock)
    site.open()
    site.top = top
    return site, done


def test_slots_of_the_lost_interval_start_nothing_by_themselves(restored):
    """They are on record without a run, so no scheduler makes them, held or released; each schedule continues after the restoring."""
    site, done = restored
    assert (done.skipped.slots, done.skipped.deliveries, done.skipped.messages) == (9, 1, 1)
    found = site.reads.lost_interval(100)
    assert {(slot.automation, slot.slot_at) for slot in found.slots} == {
        (name, site.top - n * HOUR) for name in ("report", "charge", "order") for n in range(3)
    }
    restore_hold.decide(
        site.opened,
        site.reads,
        restore_hold.list_undecided(site.reads),
        restore_hold.RestoreDecision.DONE,
        act=site.act(),
    )
    restore_hold.release(site.opened, site.reads, act=site.act())
    for schedule in ("report", "charge", "order"):
        again = MakeSlot(schedule, site.top, site.top + HOUR, "run", Arriving().starting(schedule))
        assert isinstance(site.opened.apply(again), Refused)
        assert site.reads.plans(schedule)[0].next_slot_at == site.top + HOUR
    assert site.automations() == ["report"]


def test_deliveries_and_messages_of_the_copy_wait_for_a_person(restored):
    """What had been received and not decided, or not sent, was so most likely by the store that is gone."""
    site, _ = restored
    found = site.reads.lost_interval(100)
    assert [(delivery.automation, delivery.key) for delivery in found.deliveries] == [("report", "k")]
    assert [(message.queue, message.automation) for message in found.messages] == [("orders/eu", "report")]
    assert site.opened.reader.read_text("select count(*) from outbox where state = 'unsent'") == [(0,)]


def test_pauses_flags_and_rollouts_of_the_lost_interval_are_listed(restored):
    """Anyone who restores has to make them again; they are read from the store that was replaced."""
    site, _ = restored
    changes = site.reads.lost_interval(100).changes
    assert [(change.verb, change.subject, change.actor) for change in changes] == [
        ("pause", "automation:report", "cli:ann@box"),
        ("set", "flag:mailer", "cli:ann@box"),
        ("kill", "flag:mailer", "cli:ann@box"),
        ("rollout abort", "automation:tidy", "cli:ann@box"),
    ]


def test_catch_up_starts_what_may_happen_twice_and_the_rest_by_name(restored):
    """An at-most-once task, and a workflow whose steps are not known, need a person who names them."""
    site, _ = restored
    meant = lost_interval.select_for_catch_up(site.reads.lost_interval(100), ())
    assert (len(meant.slots), len(meant.deliveries), len(meant.messages)) == (3, 1, 1)
    assert meant.left == ("charge", "order")
    done = lost_interval.catch_up(site.opened, site.reads, site.clock, meant, act=site.act("c"))
    assert (done.refused, done.dry_run) == ({}, False)
    assert site.automations() == ["report"] * 4
    left = site.reads.lost_interval(100)
    assert ({slot.automation for slot in left.slots}, left.deliveries, left.messages) == ({"charge", "order"}, (), ())
    named = lost_interval.select_for_catch_up(left, ("charge",))
    lost_interval.catch_up(site.opened, site.reads, site.clock, named, act=site.act("d"))
    assert site.automations() == ["charge"] * 3 + ["report"] * 4


def test_lost_interval_is_undecided_until_it_is_caught_up_or_dismissed(restored):
    """The verdict says how much, held or released; a person starts one part and dismisses the rest, each on record."""
    site, _ = restored

    def report():
        reader = site.opened.reader
        verdict = evaluate_status(reader, site.clock.now(), read_unresolved(reader), store="s", environment="e")
        return [problem for problem in verdict.problems if "interval" in problem]

    assert report() == [
        "9 due times, 1 delivery, 1 message of the lost interval are undecided: mainspring db restore --lost"
    ]
    restore_hold.decide(
        site.opened,
        site.reads,
        restore_hold.list_undecided(site.reads),
        restore_hold.RestoreDecision.DONE,
        act=site.act(),
    )
    restore_hold.release(site.opened, site.reads, act=site.act())
    named = lost_interval.select_for_catch_up(site.reads.lost_interval(100), ("charge",))
    lost_interval.catch_up(site.opened, site.reads, site.clock, named, act=site.act("c"))
    assert report() == [
        "6 due times, 1 delivery, 1 message of the lost interval are undecided: mainspring db restore --lost"
    ]
    of_order = lost_interval.select_for_dismissal(site.reads.lost_interval(100), ("order",))
    assert (len(of_order.slots), of_order.deliveries, of_order.messages) == (3, (), ())
    assert lost_interval.dismiss(site.opened, of_order, act=site.act("d")).refused == {}
    assert report() == [
        "3 due times, 1 delivery, 1 message of the lost interval are undecided: mainspring db restore --lost"
    ]
    rest = lost_interval.select_for_dismissal(site.reads.lost_interval(100), ())
    for _ in range(2):  # repeated under its command id it is the same act
        assert lost_interval.dismiss(site.opened, rest, act=site.act("e")).refused == {}
    assert report() == []
    assert site.automations() == ["charge"] * 3 + ["report"]
    operations = site.opened.reader.read_text("select command, actor from audit_log where verb = 'dismiss'")
    assert len([operation for operation in operations if operation[0].startswith("d/")]) == 3
    assert {actor for _, actor in operations} == {"cli:ann@box"}
    again = lost_interval.dismiss(site.opened, rest, act=site.act("f"))
    assert len(again.refused) == 5, "no one has to decide on it any more"


def test_one_lost_due_time_is_reported_in_the_singular(restored, capsys):
    """As a person would say it."""
    site, _ = restored
    found = site.reads.lost_interval(100)
    but_one = msgspec.structs.replace(found, slots=found.slots[1:])
    lost_interval.dismiss(site.opened, lost_interval.select_for_dismissal(but_one, ()), act=site.act("d"))
    assert undecided_items_text(site.opened.reader) == "1 due time of the lost interval is undecided"
    assert run_command_line(["--store", site.url, "db", "restore", "--lost"]) == 0
    assert "1 due time:\n" in capsys.readouterr().out


def test_held_store_names_its_commands_and_nothing_is_silent(restored):
    """What cannot run is not missed, nor at the moment of the release."""
    site, _ = restored
    reader, now = site.opened.reader, site.clock.now()
    held = [
        problem
        for problem in evaluate_status(reader, now, read_unresolved(reader), store="s", environment="e").problems
        if "on hold" in problem
    ]
    assert held == [f"The store was restored and is on hold: no run starts. See: {NEXT_STEP}"]
    assert all(word in NEXT_STEP for word in ("--undecided", "--lost", "--release"))
    later = now + 48 * HOUR
    assert silent(reader, later) == set()
    restore_hold.decide(
        site.opened,
        site.reads,
        restore_hold.list_undecided(site.reads),
        restore_hold.RestoreDecision.DONE,
        act=site.act(),
    )
    restore_hold.release(site.opened, site.reads, act=site.act())
    assert silent(reader, site.clock.now() + HOUR // 4) == set()
    assert silent(reader, later) == {"report", "charge", "order"}


def silent(reader, now):
    facts = FactsReader(reader).read(now)
    return {
        finding.subject.automation
        for kind in (IncidentKind.SILENCE, IncidentKind.LATE_START)
        for finding in MONITORS[kind].evaluate(facts, DEFAULT_TUNINGS[kind], now)
        if finding.finding is not None
    }


def test_store_that_was_lost_altogether_reports_that_changes_are_not_known(site):
    """There is nothing to read them from."""
    site.open()
    copy = back_up(site.url, site.folder, clock=site.clock, keep=None).path
    site.close()
    if site.url.startswith("sqlite"):
        (site.folder.parent / "s.db").write_bytes(b"not a database" * 1000)
    else:
        schema = site.url.partition("?schema=")[2]
        site.change(f"drop schema {schema} cascade")
    restore_backup(copy, site.url, clock=site.clock)
    site.open()
    assert site.reads.lost_interval(100).changes is None
