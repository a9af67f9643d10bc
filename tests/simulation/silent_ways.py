"""THE table of the ways to stop without a sound: how each is caused, and what people read of it. docs/silent-failures.md is made from it."""

from collections.abc import Callable
from functools import partial

import msgspec

from mainspring.domain.failure import Failure
from mainspring.domain.incident import Incident, IncidentKind
from mainspring.domain.produces import unmet
from mainspring.domain.states import FailureReason
from mainspring.store.commands.automations import Announce, AutomationRow, PauseQueue, TakeLock
from mainspring.store.commands.sessions import Bury
from mainspring.store.commands.triggers import ReportDesk
from tests.contract.store.process import ask, halt, suspend
from tests.simulation.normal_days import DAY, HOUR, MADE, MINUTE, Days

REVOKED = Failure("httpx2.HTTPStatusError", "unauthorized", "401 Unauthorized: the token was revoked")
K = IncidentKind


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to stop. `within` = ms until it is known, without the check that finds it; `of` = whose incident it is."""

    name: str
    cause: str
    kind: IncidentKind
    of: str
    within: int
    says: str
    begin: Callable[[Days], None]


def headline(one: Incident) -> str:
    """The first line that people read."""
    return f"[{one.severity}] {one.subject.automation or 'mainspring'}: {one.text}"


def _break(what: str, world: Days) -> None:
    world.broken.add(what)


def _killed(world: Days) -> None:
    world.broken.add("worker")
    world.scheduler.do(Bury(world.worker.session))


def _bad_deploy(world: Days) -> None:
    rows = tuple(
        AutomationRow(name, str(kind), 1, "g", None, problem="Traceback\nModuleNotFoundError: No module named 'requests'")
        if name == "report"
        else AutomationRow(name, str(kind), 1, "g", None)
        for name, (kind, _, _) in MADE.items()
    )
    world.worker.do(Announce("g", rows))


def _deleted(world: Days) -> None:
    world.deploy_without("weekly")


def _lock_kept(world: Days) -> None:
    world.worker.do(TakeLock("db", "nightly copy"))
    world.worker.tamper("update locks set session = 0")


def _failing(automation: str, failure: Failure, reason: FailureReason, world: Days) -> None:
    world.failing[automation] = (failure, reason)


def _empty(world: Days) -> None:
    (fault,) = unmet(["out/*.csv"], {}, 0)
    failure = Failure("ProductMissing", "not_produced", f"it ended well, but did not produce what it should\n{fault}")
    _failing("sync", failure, FailureReason.PERMANENT_ERROR, world)


def _queue_paused(world: Days) -> None:
    world.worker.do(PauseQueue("orders", True, "ann"))


def _broker_gone(world: Days) -> None:
    world.worker.do(ReportDesk("orders/event", None, world.clock.now(), "connection refused"))


def _unanswered(world: Days) -> None:
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(ask(run), suspend(run))


def _in_doubt(world: Days) -> None:
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(halt(run, "charge#1"))


def _loop(world: Days) -> None:
    for n in range(800):
        world.at(world.clock.now() + n * 5_000, lambda: world.start("orders"))


WAYS = (
    Way(
        name="A schedule is paused and forgotten",
        cause="`auto pause` without an end",
        kind=K.PAUSED, of="report", within=7 * DAY,
        says="",
        begin=lambda world: world.pause("report"),
    ),
    Way(
        name="The scheduler is killed",
        cause="its process gives no sign of life and no other takes its place",
        kind=K.WORKER_LOST, of="scheduler", within=5 * MINUTE,
        says="",
        begin=partial(_break, "scheduler"),
    ),
    Way(
        name="The worker is killed",
        cause="its process is known to be dead and no other takes its place",
        kind=K.WORKER_LOST, of="worker", within=5 * MINUTE,
        says="",
        begin=_killed,
    ),
    Way(
        name="The worker is wedged",
        cause="its loop is blocked: the process is there and gives no sign of life",
        kind=K.WORKER_LOST, of="worker", within=5 * MINUTE,
        says="",
        begin=partial(_break, "worker"),
    ),
    Way(
        name="A bad deploy",
        cause="a module fails to import",
        kind=K.DEFINITION_LOST, of="report", within=0,
        says="",
        begin=_bad_deploy,
    ),
    Way(
        name="An automation is deleted from the code",
        cause="a deploy comes without it",
        kind=K.DEFINITION_LOST, of="weekly", within=16 * MINUTE,
        says="",
        begin=_deleted,
    ),
    Way(
        name="The time zone of a host is changed",
        cause="a crontab calls `exec` nine hours later than `--cron` and `--tz` say",
        kind=K.SILENCE, of="crontab", within=17 * HOUR,
        says="",
        begin=partial(_break, "host's zone"),
    ),
    Way(
        name="A line vanishes from a crontab",
        cause="`exec` is not called any more",
        kind=K.SILENCE, of="crontab", within=17 * HOUR,
        says="",
        begin=partial(_break, "crontab"),
    ),
    Way(
        name="A lock is never released",
        cause="its holder is gone",
        kind=K.LOCK_HELD, of="db", within=10 * MINUTE,
        says="",
        begin=_lock_kept,
    ),
    Way(
        name="A step hangs",
        cause="a run goes on and on",
        kind=K.TOO_SLOW, of="orders", within=3 * HOUR,
        says="",
        begin=partial(_break, "orders hangs"),
    ),
    Way(
        name="A credential is revoked",
        cause="each run fails with 401, which no retry mends",
        kind=K.PERMANENT_ERROR, of="sync", within=40 * MINUTE,
        says="",
        begin=partial(_failing, "sync", REVOKED, FailureReason.PERMANENT_ERROR),
    ),
    Way(
        name="A service stays away",
        cause="each run fails when its retries are used up",
        kind=K.RETRIES_EXHAUSTED, of="sync", within=40 * MINUTE,
        says="",
        begin=partial(
            _failing,
            "sync",
            Failure("httpx2.ConnectTimeout", "timeout", "no answer from the store of goods"),
            FailureReason.RETRIES_EXHAUSTED,
        ),
    ),
    Way(
        name="A queue is paused",
        cause="`queues pause`, and runs wait in it",
        kind=K.BACKLOG, of="orders", within=7 * HOUR,
        says="",
        begin=_queue_paused,
    ),
    Way(
        name="A broker is gone",
        cause="a desk cannot reach it",
        kind=K.SOURCE_AWAY, of="orders", within=5 * MINUTE,
        says="",
        begin=_broker_gone,
    ),
    Way(
        name="A source goes silent",
        cause="no webhook or event comes any more where some came all the time (learned)",
        kind=K.SILENCE, of="orders", within=10 * DAY,
        says="",
        begin=partial(_break, "orders"),
    ),
    Way(
        name="The output is missing",
        cause="a run ends well, and what `produces=` promises is not there",
        kind=K.PERMANENT_ERROR, of="sync", within=40 * MINUTE,
        says="",
        begin=_empty,
    ),
    Way(
        name="Success that did nothing",
        cause="a backup of 20 minutes succeeds after a second",
        kind=K.TOO_FAST, of="backup", within=17 * HOUR,
        says="",
        begin=partial(_break, "backup does nothing"),
    ),
    Way(
        name="An automation starts itself in a circle",
        cause="it publishes what it listens to",
        kind=K.TOO_OFTEN, of="orders", within=HOUR,
        says="",
        begin=_loop,
    ),
    Way(
        name="A question is not answered",
        cause="a run waits for a person",
        kind=K.HUMAN_WAIT, of="orders", within=DAY,
        says="",
        begin=_unanswered,
    ),
    Way(
        name="A run is in doubt",
        cause="its process died in a step that must not be done twice",
        kind=K.NEEDS_ATTENTION, of="orders", within=0,
        says="",
        begin=_in_doubt,
    ),
)
