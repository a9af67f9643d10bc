"""THE table of the ways to stop without a sound: how each is caused, and the notification of it; docs/silent-failures.md is written from it."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import msgspec
import pytest

from mainspring.domain.definitions.expected_files import find_missing_files
from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.errors import ConfigError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.domain.incidents.incident import Incident, IncidentKind
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import render_headline
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.domain.text.phrases import format_span
from mainspring.integrations.brokers import resolve_queue_address
from mainspring.store.base import StoreRevertedError
from mainspring.store.commands.automations import AcquireLock, PauseQueue
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.flags import ChangeFlag, RecordFlagUses
from mainspring.store.commands.inbox import RejectFact
from mainspring.store.commands.journal import RecordStalledAttempt
from mainspring.store.commands.outbox import MessageRefusal, SettleQueue
from mainspring.store.commands.run_control import PauseRun, RunPauseRequest
from mainspring.store.commands.sessions import (
    DeclareSessionDead,
    RecordBlockedLoop,
    RecordHeartbeat,
    RecordProcessFindings,
)
from mainspring.store.commands.triggers import AcceptDelivery, RejectDelivery, ReportConsumer
from mainspring.store.sqlite.damage import error_of_fault
from tests.contract.store.process import ask, complete, finish, halt, post, signal, suspend, take, wait_for
from tests.simulation.normal_days import DAY, DEBOUNCE, DEBOUNCED, HOOK, HOUR, MINUTE, SECOND, Days

ADDRESS_TAKEN = "cannot listen on 127.0.0.1:7172: another process uses this address"
REVOKED = Failure("httpx2.HTTPStatusError", "unauthorized", "401 Unauthorized: the token was revoked")
FULL = "The store is full"
K = IncidentKind


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to stop. `within` = ms until it is known, without the check that finds it; `of` = whose incident it is."""

    name: str
    cause: str
    kind: IncidentKind
    of: str
    within: int
    headline: str
    begin: Callable[[Days], None]
    end: Callable[[Days], None] = lambda world: None


def headline(incident: Incident) -> str:
    """The first line that people read."""
    return render_headline(NotificationEvent.OPENED, incident, "production")


def _break(name: str, world: Days) -> None:
    world.broken.add(name)


def _killed(world: Days) -> None:
    world.broken.add("worker")
    world.scheduler.do(DeclareSessionDead(world.worker.session))


def _wedged(world: Days) -> None:
    stack = ("/usr/lib/python3.12/asyncio/events.py:88 Handle._run", "/srv/flows/shop.py:14 poll")
    world.worker.do(RecordBlockedLoop(4 * SECOND, stack))
    # Its line names no run: the id of one hangs on which tests went before.
    world.worker.tamper("update sessions set blocked = json_remove(blocked, '$.run') where blocked is not null")
    world.broken.add("worker")


def _bad_deploy(world: Days) -> None:
    world.announce(problems={"report": "Traceback\nModuleNotFoundError: No module named 'requests'"})


def _module_lost(world: Days) -> None:
    problem = "/srv/flows/shop.py:3\nModuleNotFoundError: No module named 'requests'"
    world.announce(problems={"report": problem, "sync": problem})


def _new_file(world: Days) -> None:
    problem = (
        "/srv/flows/new.py:1: failed to load: ModuleNotFoundError: No module named 'nosuchlib'\nInstall 'nosuchlib'."
    )
    finding = ProcessFinding(ProcessFindingKind.LOAD, "/srv/flows/new.py", problem, world.clock.now())
    world.worker.do(RecordProcessFindings((finding,), (ProcessFindingKind.LOAD,)))


def _deleted(world: Days) -> None:
    world.deploy_without("weekly")


def _lock_held(world: Days) -> None:
    world.worker.do(AcquireLock("db", "nightly copy"))
    world.worker.tamper("update locks set session = 0")


def _effect_in_doubt(world: Days) -> None:
    """A command with a session of its own is killed: its session is declared dead."""
    call = EffectCall("invoice:7", EffectHolder("bill.py of ann@box", "1"), "hash", b"null")
    world.worker.do(BeginEffect(call, "e_1"))
    world.worker.do(
        SettleEffect("invoice:7", "e_1", 1, CallOutcome.UNKNOWN, note="its holder ended without an outcome")
    )


def _flag_missing(world: Days) -> None:
    """The name in the code is misspelled."""
    world.worker.do(ChangeFlag("new-cart", FlagChange(share=50_000)))
    use = FlagUse("new-crt", "orders", FlagSide.DEFAULT, FlagReason.UNKNOWN, 12)
    world.worker.do(RecordFlagUses(1, (use,)))


def _failing(automation: str, failure: Failure, reason: FailureReason, world: Days) -> None:
    world.failing[automation] = (failure, reason)


def _empty(world: Days) -> None:
    (fault,) = find_missing_files(["out/*.csv"], {}, 0)
    failure = Failure(
        "ProductMissing", "not_produced", f"it ended without an error, but did not produce its files: {fault}"
    )
    _failing("sync", failure, FailureReason.PERMANENT_ERROR, world)


def _item_fails(world: Days) -> None:
    """Only the next one: it ends before another delivery can come."""
    run = world.worker.begin(automation="builds", queue="default")
    failure = Failure("ValueError", "bad_item", "item 13 is broken")
    world.worker.do(
        finish(run, RunState.FAILED, failure=failure, reason=FailureReason.PERMANENT_ERROR, failed_ident="upload#1")
    )


def _queue_paused(world: Days) -> None:
    world.worker.do(PauseQueue("orders", True, "ann"))


def _broker_stopped(world: Days) -> None:
    world.worker.do(ReportConsumer("orders/event", None, world.clock.now(), "connection refused"))


def _unanswered(world: Days) -> None:
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(ask(run), suspend(run))


def _unreadable(world: Days) -> None:
    worker = world.worker
    run = worker.begin(automation="orders", queue="default")
    worker.do(signal(run.id, name="approve"))
    (fact,) = worker.history(run.id).facts
    failure = Failure(
        "ValueRefusedError", "value_refused", "signal approve cannot be saved or read: Expected `bool`, got `str`"
    )
    worker.do(RejectFact(run.id, run.claim, fact.seq, failure), suspend(run))


def _in_doubt(world: Days) -> None:
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(halt(run, "charge#1"))


def _hanging(world: Days) -> None:
    """The worker finds it silent after an hour."""
    run = world.worker.begin(automation="orders", queue="default")
    stack = ("/srv/shop.py:7 charge", "/usr/lib/python3.13/socket.py:719 SocketIO.readinto")
    stall = RecordStalledAttempt(run.id, run.claim, "charge#1", "charge", 1, HOUR, stack)
    world.at(world.clock.now() + HOUR, lambda: world.worker.do(stall))


def _loop(world: Days) -> None:
    for n in range(800):
        world.at(world.clock.now() + n * 5_000, lambda: world.start("orders"))


def _finding(kind: ProcessFindingKind, name: str, reason: str, world: Days) -> None:
    world.web.do(
        RecordProcessFindings((*world.findings, found := ProcessFinding(kind, name, reason, world.clock.now())))
    )
    world.findings = (*world.findings, found)


def _rejected(world: Days) -> None:
    note = "delivery d_1 has this key and another body"
    refusal = RejectDelivery(id=world.web.name("d"), trigger=HOOK, why="other_body", note=note, body=b"x")
    world.web.do(refusal)


def _unsent(queue: str, world: Days, *, away: str | None = None, refused: str | None = None) -> None:
    """A step sent a message, and a Sender tried to hand it over."""
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(complete(run, posts=(post(queue, id=world.worker.name("m")),)))
    lease = take(lease_ms=10 * DAY)
    (leased,) = world.scheduler.do(lease).queues
    gone = () if refused is None else tuple(MessageRefusal(message.seq, refused) for message in leased.messages)
    world.scheduler.do(SettleQueue(lease.lease, queue, refused=gone, away=away, retry_after_ms=10 * DAY))


def _unknown_broker(world: Days) -> None:
    """No process has an entry for the broker of a message; another process may have one, so the message waits."""
    with pytest.raises(ConfigError) as caught:
        resolve_queue_address("jobz/x", {})
    _unsent("jobz/x", world, away=caught.value.message)


def _debounced(world: Days) -> None:
    """Something comes twice a minute, for an hour."""
    for n in range(120):
        delivery = AcceptDelivery(
            id=f"d_bounce{n}",
            trigger=DEBOUNCED,
            key=f"bounce{n}",
            body_hash="h",
            body=b"{}",
            pace=DEBOUNCE,
            verified="github",
        )
        world.at(world.clock.now() + n * 30 * SECOND, partial(world.web.do, delivery))


def _overdue(world: Days) -> None:
    """One arrival, which no scheduler starts when its debounce is over."""
    delivery = AcceptDelivery(
        id="d_once", trigger=DEBOUNCED, key="once", body_hash="h", body=b"{}", pace=DEBOUNCE, verified="github"
    )
    world.web.do(delivery)


def _held(partition: str, world: Days) -> None:
    """A run waits for an event in its partition, and another one is behind it."""
    holder = world.worker.begin(id="r_holder", automation="orders", queue="default", partition=partition)
    world.worker.do(wait_for(holder), suspend(holder))
    world.worker.start("orders", queue="default", partition=partition)


def _run_paused(world: Days) -> None:
    run = world.worker.begin(id="r_paused", automation="orders", queue="default")
    world.worker.do(suspend(run), PauseRun(run.id, "p1", RunPauseRequest("ann")))


def _unserved(world: Days, **options: object) -> None:
    if "queue" in options:
        world.queues = ("default", "orders")
        world.start("orders")
    world.scheduler.start("orders", **{"queue": "orders", **options})


def _channel_broken(world: Days) -> None:
    """It told of a lock; then it takes nothing, also not that this is over."""
    _lock_held(world)
    world.go(HOUR, 5 * MINUTE, stop=True)
    world.forget()
    world.away.add("ops")
    world.worker.tamper("delete from locks")


def _pragma(name: str, world: Days) -> None:
    for process in (world.worker, world.scheduler, world.watcher):
        process.database.connection.execute(f"pragma {name}")


def _full(world: Days) -> None:
    world.watcher.database.connection.execute("pragma wal_checkpoint(truncate)")  # no room of its own is left
    with contextlib.suppress(OSError), (world.path.parent / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def _locked(world: Days) -> None:
    _pragma("busy_timeout = 5", world)
    world.other = apsw.Connection(str(world.path))
    world.other.execute("begin immediate")


def _unlocked(world: Days) -> None:
    assert world.other is not None
    world.other.execute("rollback")
    world.other.close()


def _lost_commits(world: Days) -> None:
    """Its newest commit is gone; no matter who commits next finds it, and ends."""
    world.worker.tamper("update commits set number = number - 1")
    with contextlib.suppress(StoreRevertedError):
        world.worker.do(RecordHeartbeat())


def _damaged(world: Days) -> None:
    """A process reads a page that cannot be read, and leaves a note."""
    database = world.worker.database
    error_of_fault(apsw.CorruptError("database disk image is malformed"), database.path)
    # The note's instant is the machine's; the world has its own.
    note = database.path.with_name(f"{database.path.name}.damaged")
    note.write_bytes(msgspec.json.encode({"at": world.clock.now(), "what": "database disk image is malformed"}))


def _put_back(world: Days) -> None:
    """Set the clock back; anyone who opens the store next finds it."""
    world.clock.at -= HOUR
    world._begin("cli").close()


CASES = (
    Way(
        name="The clock is put back",
        cause="the clock of the machine shows an hour less than before",
        kind=K.CLOCK_REGRESSION,
        of="",
        within=0,
        headline=(
            "[page] mainspring: the clock was put back by 1h or more, from 2027-04-07 10:04:58 UTC to 2027-04-07 09:04:58 UTC; "
            "3 slots between these times already have their runs and do not run again"
        ),
        begin=_put_back,
    ),
    Way(
        name="A program reads the store without a pause",
        cause="its open transaction keeps the write-ahead log from being emptied",
        kind=K.WAL_HELD,
        of="",
        within=5 * MINUTE,
        headline=(
            "[notify] mainspring: the write-ahead log cannot be emptied: process 7 (sqlite3 state.db) keeps reading the store"
        ),
        begin=partial(_finding, ProcessFindingKind.WAL, "process 7", "process 7 (sqlite3 state.db)"),
    ),
    Way(
        name="The store went back in time",
        cause="its newest commit is missing: a [mark](how-to/backups.md#when-the-store-went-back-in-time) outside the store shows that; Mainspring holds the store",
        kind=K.COMMITS_LOST,
        of="",
        within=0,
        headline="[page] mainspring: the store went back in time: 1 commit missing, up to 2027-04-07 10:04:58 UTC",
        begin=_lost_commits,
    ),
    Way(
        name="The file of the store is damaged",
        cause="a process read a damaged page",
        kind=K.STORE_DAMAGED,
        of="",
        within=0,
        headline="[page] mainspring: the store's file is damaged: database disk image is malformed",
        begin=_damaged,
    ),
    Way(
        name="A schedule is paused and forgotten",
        cause="`auto pause` without an end",
        kind=K.PAUSED,
        of="report",
        within=7 * DAY,
        headline="[digest] report: paused without an end for 7d by ann",
        begin=lambda world: world.pause("report"),
    ),
    Way(
        name="The scheduler is killed",
        cause="its process sends no heartbeat, and no other replaces it",
        kind=K.WORKER_LOST,
        of="scheduler",
        within=5 * MINUTE,
        headline="[page] mainspring: no scheduler has sent a heartbeat for 5m: pid 1 of box is stopped or blocked (backup has a schedule)",
        begin=partial(_break, "scheduler"),
    ),
    Way(
        name="The worker is killed",
        cause="its process is known to be dead, and no other replaces it",
        kind=K.WORKER_LOST,
        of="worker",
        within=5 * MINUTE,
        headline="[page] mainspring: no worker has sent a heartbeat for 5m (backup needs one)",
        begin=_killed,
    ),
    Way(
        name="The worker is blocked",
        cause="its event loop is blocked; the process reports the line that blocks it",
        kind=K.WORKER_LOST,
        of="blocked:shop.py poll",
        within=30 * SECOND,
        headline="[page] mainspring: worker pid 1 of box is blocked for 5m4s at /srv/flows/shop.py:14 poll",
        begin=_wedged,
    ),
    Way(
        name="The worker is stopped",
        cause="its process exists, but sends no heartbeat",
        kind=K.WORKER_LOST,
        of="worker",
        within=5 * MINUTE,
        headline="[page] mainspring: no worker has sent a heartbeat for 5m: pid 1 of box is stopped or blocked (backup needs one)",
        begin=partial(_break, "worker"),
    ),
    Way(
        name="A bad deploy",
        cause="a module fails to import",
        kind=K.DEFINITION_LOST,
        of="report",
        within=0,
        headline="[notify] report: it fails to load: ModuleNotFoundError: No module named 'requests'",
        begin=_bad_deploy,
    ),
    Way(
        name="A bad deploy of a module that has several automations",
        cause="all of them fail to load for one reason; one notification reports them",
        kind=K.STORM,
        of="load:/srv/flows/shop.py:3: ModuleNotFoundError: No module named 'requests'",
        within=0,
        headline=(
            "[notify] mainspring: 2 automations fail to load (report, sync): /srv/flows/shop.py:3: "
            "ModuleNotFoundError: No module named 'requests'"
        ),
        begin=_module_lost,
    ),
    Way(
        name="A new file fails to load",
        cause="a module that it imports is not installed; no automation of it is known",
        kind=K.DEFINITION_LOST,
        of="/srv/flows/new.py",
        within=0,
        headline="[notify] mainspring: /srv/flows/new.py:1: failed to load: ModuleNotFoundError: No module named 'nosuchlib'",
        begin=_new_file,
    ),
    Way(
        name="An automation is deleted from the code",
        cause="a deploy lacks it",
        kind=K.DEFINITION_LOST,
        of="weekly",
        within=16 * MINUTE,
        headline="[notify] weekly: no running worker has loaded it: its file is newer than they are, or its definition is gone",
        begin=_deleted,
    ),
    Way(
        name="The time zone of a host is changed",
        cause="cron now starts the line nine hours after the time in its `--cron` and `--tz`",
        kind=K.SILENCE,
        of="crontab",
        within=17 * HOUR,
        headline="[notify] crontab: no success for 1d3h (expected every day at 01:00 (UTC))",
        begin=partial(_break, "host's zone"),
    ),
    Way(
        name="A line is removed from a crontab",
        cause="cron does not call `exec` any more",
        kind=K.SILENCE,
        of="crontab",
        within=17 * HOUR,
        headline="[notify] crontab: no success for 1d3h (expected every day at 01:00 (UTC))",
        begin=partial(_break, "crontab"),
    ),
    Way(
        name="A lock is never released",
        cause="its holder ended",
        kind=K.LOCK_HELD,
        of="db",
        within=10 * MINUTE,
        headline="[notify] mainspring: lock db is held for 15m by nightly copy, which is gone",
        begin=_lock_held,
    ),
    Way(
        name="An effect is in doubt",
        cause="the process that performed it was killed, and the call has neither `check=` nor `keyed=True`",
        kind=K.EFFECT_IN_DOUBT,
        of="",
        within=0,
        headline="[notify] mainspring: effect invoice:7 may or may not have happened: its holder ended without an outcome",
        begin=_effect_in_doubt,
    ),
    Way(
        name="Code asks for a flag that does not exist",
        cause="its name is misspelled, so each question gets the default of the code",
        kind=K.FLAG_UNANSWERED,
        of="new-crt",
        within=0,
        headline="[notify] mainspring: orders asked for flag new-crt and got the default of the code: there is no such flag",
        begin=_flag_missing,
    ),
    Way(
        name="A single run is paused and forgotten",
        cause="`runs pause`, and no one resumes it",
        kind=K.RUN_PAUSED,
        of="orders",
        within=24 * HOUR,
        headline="[notify] orders: run r_paused is paused for 1d1h by ann",
        begin=_run_paused,
    ),
    Way(
        name="A step hangs",
        cause="its attempt has no timeout, and for an hour it writes no log line, no progress and no checkpoint",
        kind=K.STALLED,
        of="orders",
        within=HOUR,
        headline="[notify] orders: step charge has reported no log, progress or checkpoint for 1h5m: it is at shop.py charge",
        begin=_hanging,
    ),
    Way(
        name="A run does not end",
        cause="it takes much longer than usual, but still writes progress",
        kind=K.TOO_SLOW,
        of="orders",
        within=3 * HOUR,
        headline="[notify] orders: a run has been running for 1h9m, 99 % of its runs took at most 1m6s",
        begin=partial(_break, "orders hangs"),
    ),
    Way(
        name="A credential is revoked",
        cause="each run fails with 401, which no retry can fix",
        kind=K.PERMANENT_ERROR,
        of="sync",
        within=40 * MINUTE,
        headline="[notify] sync: failed: upload: HTTPStatusError: 401 Unauthorized: the token was revoked",
        begin=partial(_failing, "sync", REVOKED, FailureReason.PERMANENT_ERROR),
    ),
    Way(
        name="A service stays unreachable",
        cause="each run fails after its last retry",
        kind=K.RETRIES_EXHAUSTED,
        of="sync",
        within=40 * MINUTE,
        headline="[notify] sync: failed after all retries: upload: ConnectTimeout: no answer from the store of goods",
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
        kind=K.BACKLOG,
        of="orders",
        within=7 * HOUR,
        headline="[notify] orders: 26 runs wait, the oldest for 6h9m: queue orders is paused by ann",
        begin=_queue_paused,
    ),
    Way(
        name="A broker is unreachable",
        cause="the consumer of a trigger cannot connect to it",
        kind=K.SOURCE_UNREACHABLE,
        of="orders",
        within=5 * MINUTE,
        headline="[notify] orders: orders/event has not reached its source for 10m: connection refused",
        begin=_broker_stopped,
    ),
    Way(
        name="A source sends nothing more",
        cause="no webhook or event arrives, although they arrived regularly (learned)",
        kind=K.SILENCE,
        of="orders",
        within=10 * DAY,
        headline="[notify] orders: no success for 5d6h (usually within 5d4h)",
        begin=partial(_break, "orders"),
    ),
    Way(
        name="A webhook sends nothing more",
        cause="its sender ended, and no one knows",
        kind=K.SILENCE,
        of="builds",
        within=2 * DAY,
        headline="[notify] builds: no success for 19h4m (usually within 18h)",
        begin=partial(_break, "builds"),
    ),
    Way(
        name="An item fails",
        cause="one delivery has a value that the code cannot use; the others succeed",
        kind=K.PERMANENT_ERROR,
        of="builds",
        within=5 * MINUTE,
        headline="[notify] builds: failed: upload: ValueError: item 13 is broken",
        begin=_item_fails,
    ),
    Way(
        name="The output is missing",
        cause="a run ends well, but a file of `produces=` is missing",
        kind=K.PERMANENT_ERROR,
        of="sync",
        within=40 * MINUTE,
        headline="[notify] sync: failed: upload: it ended without an error, but did not produce its files: out/*.csv: nothing matches",
        begin=_empty,
    ),
    Way(
        name="A success did nothing",
        cause="a backup of 20 minutes succeeds after a second",
        kind=K.TOO_FAST,
        of="backup",
        within=17 * HOUR,
        headline="[notify] backup: succeeded after 1s, nine in ten runs took more than 8m44s",
        begin=partial(_break, "backup does nothing"),
    ),
    Way(
        name="The output is unusually small",
        cause="a backup takes its 20 minutes and writes 20 bytes",
        kind=K.DID_NOTHING,
        of="backup",
        within=17 * HOUR,
        headline="[notify] backup: succeeded with 20B of output, 1.07GB or more are usual",
        begin=partial(_break, "backup is empty"),
    ),
    Way(
        name="An automation starts itself in a loop",
        cause="it publishes the event that starts it",
        kind=K.TOO_OFTEN,
        of="orders",
        within=HOUR,
        headline="[notify] orders: started 121 times in an hour, usual are at most 60",
        begin=_loop,
    ),
    Way(
        name="A question is not answered",
        cause="a run waits for a person",
        kind=K.HUMAN_WAIT,
        of="orders",
        within=DAY,
        headline="[notify] orders: 1 question is unanswered, the oldest for 1d1h",
        begin=_unanswered,
    ),
    Way(
        name="A signal cannot be read",
        cause="the code of a waiting run expects another type",
        kind=K.REJECTED_MESSAGE,
        of="orders",
        within=0,
        headline="[notify] orders: 1 run cannot read signal 'approve'",
        begin=_unreadable,
    ),
    Way(
        name="A run is in doubt",
        cause="its process died in an at-most-once step",
        kind=K.NEEDS_ATTENTION,
        of="orders",
        within=0,
        headline="[notify] orders: needs a person: charge: ValueError: it broke",
        begin=_in_doubt,
    ),
    Way(
        name="A channel is broken",
        cause="it accepts no notification",
        kind=K.NOTIFIER_BROKEN,
        of="ops",
        within=7 * MINUTE,
        headline="[notify] mainspring: channel ops accepts nothing: connection refused",
        begin=_channel_broken,
    ),
    Way(
        name="Dead workers are not found",
        cause="the upkeep of dead processes fails",
        kind=K.UPKEEP_FAILING,
        of="dead processes on box",
        within=5 * MINUTE,
        headline="[page] mainspring: box: upkeep of dead processes fails: PermissionError: Permission denied",
        begin=partial(_finding, ProcessFindingKind.UPKEEP, "dead processes", "PermissionError: Permission denied"),
    ),
    Way(
        name="The service of a codec does not answer",
        cause="values can be neither sealed nor opened, so runs wait",
        kind=K.CODEC_UNAVAILABLE,
        of="vault",
        within=5 * MINUTE,
        headline="[page] mainspring: codec 'vault' does not answer, on box: its runs wait and continue by themselves",
        begin=partial(_finding, ProcessFindingKind.CODEC, "vault", "codec 'vault' does not answer"),
    ),
    Way(
        name="The address of the webhooks is taken",
        cause="another process listens on `hooks.bind`",
        kind=K.ADDRESS_TAKEN,
        of="hooks.bind of box",
        within=5 * MINUTE,
        headline=f"[page] mainspring: box: webhooks are not accepted: {ADDRESS_TAKEN}",
        begin=partial(
            _finding, ProcessFindingKind.ADDRESS, "hooks.bind", f"webhooks are not accepted: {ADDRESS_TAKEN}"
        ),
    ),
    Way(
        name="The address of the pages is taken",
        cause="another process listens on `web.bind`",
        kind=K.ADDRESS_TAKEN,
        of="web.bind of box",
        within=5 * MINUTE,
        headline=f"[page] mainspring: box: pages and API are not served: {ADDRESS_TAKEN}",
        begin=partial(
            _finding, ProcessFindingKind.ADDRESS, "web.bind", f"pages and API are not served: {ADDRESS_TAKEN}"
        ),
    ),
    Way(
        name="The secret of a webhook is not set",
        cause="the web process finds no secret, and answers every request with 503",
        kind=K.SECRET_MISSING,
        of="builds",
        within=5 * MINUTE,
        headline="[notify] builds: builds/webhook accepts nothing on box: the secret 'KEY' is not set",
        begin=partial(_finding, ProcessFindingKind.SECRET, HOOK, "the secret 'KEY' is not set"),
    ),
    Way(
        name="A sender changed its secret",
        cause="its requests have an invalid signature (401); requests of scanners have none",
        kind=K.SENDER_REJECTED,
        of="builds",
        within=40 * MINUTE,
        headline="[notify] builds: builds/webhook rejects its sender: at least 6 requests had an invalid signature (401), no delivery was accepted since",
        begin=partial(_break, "secret"),
    ),
    Way(
        name="A filter raises",
        cause="the sender changed a field that the filter reads",
        kind=K.DELIVERY_FAILED,
        of="builds",
        within=25 * MINUTE,
        headline="[notify] builds: 1 delivery of builds/webhook failed and started nothing: its filter raised KeyError: 'action'",
        begin=partial(_break, "filter"),
    ),
    Way(
        name="A delivery of a known sender is rejected",
        cause="another body arrives under a key that already counts (409)",
        kind=K.DELIVERY_REJECTED,
        of="builds",
        within=0,
        headline=(
            "[notify] builds: 1 delivery of builds/webhook was rejected and started nothing: "
            "an earlier delivery has this key and another body"
        ),
        begin=_rejected,
    ),
    Way(
        name="A broker that steps send to is dead",
        cause="messages wait in the outbox",
        kind=K.OUTBOX_BLOCKED,
        of="jobs/x",
        within=5 * MINUTE,
        headline="[page] mainspring: messages to jobs/x wait, the oldest for 5m: connection refused",
        begin=partial(_unsent, "jobs/x", away="connection refused"),
    ),
    Way(
        name="A broker that steps send to is not known",
        cause="no `[brokers]` entry has its name",
        kind=K.OUTBOX_BLOCKED,
        of="jobz/x",
        within=5 * MINUTE,
        headline="[page] mainspring: messages to jobz/x wait, the oldest for 5m: unknown broker 'jobz'",
        begin=_unknown_broker,
    ),
    Way(
        name="A broker refuses a message",
        cause="it is larger than the broker accepts",
        kind=K.OUTBOX_BLOCKED,
        of="jobs/x",
        within=0,
        headline="[page] mainspring: 1 message to jobs/x was refused: it is too large",
        begin=partial(_unsent, "jobs/x", refused="it is too large"),
    ),
    Way(
        name="A debounce never fires",
        cause="deliveries arrive more often than its span, and `within=` is not set",
        kind=K.DEBOUNCE_HELD,
        of="report",
        within=10 * MINUTE,
        headline="[notify] report: report/webhook has started nothing for 15m: deliveries arrive more often than every 1m",
        begin=_debounced,
    ),
    Way(
        name="A debounce is due, and no process starts its run",
        cause="the router cannot read its deliveries",
        kind=K.DEBOUNCE_HELD,
        of="report",
        within=10 * MINUTE,
        headline="[notify] report: report/webhook has started nothing for 15m: it is due, and no scheduler starts it",
        begin=_overdue,
    ),
    Way(
        name="A partition is held by a run that waits",
        cause="the event that it waits for does not arrive, and another run waits behind it",
        kind=K.PARTITION_HELD,
        of="orders",
        within=HOUR,
        headline="[notify] orders: 1 run waits for partition customer-7 for 1h5m: run r_holder has it and waits",
        begin=partial(_held, "customer-7"),
    ),
    Way(
        name="The `concurrency=` of a trigger is held by a run that waits",
        cause="the waiting run uses its only place",
        kind=K.PARTITION_HELD,
        of="orders",
        within=HOUR,
        headline="[notify] orders: 1 run waits for partition orders/event:~0 for 1h5m: run r_holder has it and waits",
        begin=partial(_held, "orders/event:~0"),
    ),
    Way(
        name="No worker carries a tag",
        cause="the only worker with `--tag gpu` ended",
        kind=K.UNSERVED,
        of="orders",
        within=5 * MINUTE,
        headline="[notify] orders: 1 run waits, the oldest for 10m: no running worker has tag gpu",
        begin=partial(_unserved, tag="gpu"),
    ),
    Way(
        name="No worker takes a queue",
        cause="every worker was started with `--queue`, and none names it",
        kind=K.UNSERVED,
        of="orders",
        within=5 * MINUTE,
        headline="[notify] orders: 1 run waits, the oldest for 10m: no running worker serves queue mail",
        begin=partial(_unserved, queue="mail"),
    ),
    Way(
        name="No worker has a version",
        cause="runs of version 2 were started before a deploy was reverted",
        kind=K.UNSERVED,
        of="orders",
        within=5 * MINUTE,
        headline="[notify] orders: 1 run waits, the oldest for 10m: no running worker has version 2 of it (they have 1)",
        begin=partial(_unserved, version=2),
    ),
)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two ways at once, by their names. `explained` = the second follows from the first: it is part of its incident.

    `apart` = ms of ordinary life between them.
    """

    first: str
    second: str
    explained: bool = False
    apart: int = 0

    @property
    def cases(self) -> tuple[Way, Way]:
        """Both."""
        known = {way.name: way for way in CASES}
        return known[self.first], known[self.second]


PAIRS = (
    Pair(first="A lock is never released", second="The worker is killed"),
    Pair(first="The worker is killed", second="No worker carries a tag", explained=True),
    Pair(first="A bad deploy", second="A broker is unreachable"),
    Pair(first="A credential is revoked", second="A broker that steps send to is dead"),
    Pair(first="The address of the webhooks is taken", second="The secret of a webhook is not set"),
    Pair(first="The address of the pages is taken", second="The output is missing"),
    Pair(first="A sender changed its secret", second="No worker takes a queue"),
    Pair(first="A filter raises", second="A delivery of a known sender is rejected"),
    Pair(first="The scheduler is killed", second="A debounce is due, and no process starts its run", explained=True),
    Pair(first="A run is in doubt", second="A partition is held by a run that waits", explained=True),
    Pair(first="A service stays unreachable", second="A debounce never fires"),
    Pair(first="A broker refuses a message", second="A step hangs"),
    Pair(first="An item fails", second="A webhook sends nothing more", apart=DAY),
    Pair(first="A run is in doubt", second="A source sends nothing more", apart=DAY),
    Pair(first="A question is not answered", second="A source sends nothing more", apart=DAY),
    Pair(first="A delivery of a known sender is rejected", second="A webhook sends nothing more", apart=DAY),
)
LOST = (
    Way(
        name="The store is locked",
        cause="a transaction in it stays open",
        kind=K.STORE_LOST,
        of="",
        within=2 * MINUTE,
        headline="[page] mainspring: the store cannot be read or written: StoreUnavailableError: another program has locked the store",
        begin=_locked,
        end=_unlocked,
    ),
    Way(
        name="The store is read-only",
        cause="every commit is refused",
        kind=K.STORE_LOST,
        of="",
        within=2 * MINUTE,
        headline="[page] mainspring: the store cannot be read or written: StoreReadOnlyError: the store is read-only",
        begin=partial(_pragma, "query_only = on"),
        end=partial(_pragma, "query_only = off"),
    ),
    Way(
        name=FULL,
        cause="its disk has no free byte",
        kind=K.STORE_LOST,
        of="",
        within=2 * MINUTE,
        headline="[page] mainspring: the store cannot be read or written: StoreFullError: the disk of the store is full",
        begin=_full,
        end=lambda world: (world.path.parent / "filler").unlink(),
    ),
)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "silent-failures.md"
_HEAD = """# Silent failures

After this page you know which ways to stop Mainspring notices, how fast, and what the notification says.

    mainspring incidents list          # open problems
    mainspring monitors list           # what is watched, and the last result

Each case opens one incident and sends one notification, at the latest after the time in the column *Within* and the time until the next check. A watcher checks every 5 s; without one,
`mainspring watch` checks as often as your crontab starts it. Consequences are recorded under that incident and send no notification. `[page]`, `[notify]` and `[digest]` are
[severities](how-to/notifications.md).

A silence, a slow run and too many starts are compared with the history of the automation. So their times depend on that history. The table shows those of the test.
The test checks every 5 minutes, and for cases above 12 h once an hour. So a duration in a first line can be longer than *Within* by one such interval. It can also be shorter, because
*Within* is an upper limit.

| Failure | Cause in the test | Kind of incident | Within | First line of the notification |
| --- | --- | --- | --- | --- |
"""
_TWO = """
## Two failures at once

Each failure has its own incident, unless one explains the other. Then there is one incident, and one notification. A failed item explains that its automation stopped
only if no other item succeeded since.

| First | Second | Incidents |
| --- | --- | --- |
"""
_TESTS = """
## How this is tested

A test causes each failure after 30 ordinary days, in which no incident may open. These days have schedules, events, jitter, slow days, retries, deploys, a pause and
a change of the clocks. A public webhook gets requests of scanners, and runs wait for days in their partition.

The tests are in `tests/simulation/test_normal_days.py`, and this page is written from their table. `tests/acceptance/test_stopped_parts.py` causes the worst failures in
real processes. It also checks that the scheduler reports a watcher that dies at each start, and that the watcher reports a stopped scheduler.
"""


def page() -> str:
    """Return docs/silent-failures.md."""
    rows = [
        f"| {way.name} | {way.cause} | `{way.kind}` | {format_span(way.within) if way.within else 'at once'} | `{way.headline}` |\n"
        for way in (*CASES, *LOST)
    ]
    pairs = [
        f"| {pair.first} | {pair.second}{f', {format_span(pair.apart)} later' if pair.apart else ''} "
        f"| {'one: the first explains the second' if pair.explained else 'two'} |\n"
        for pair in PAIRS
    ]
    return _HEAD + "".join(rows) + _TWO + "".join(pairs) + _TESTS


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
