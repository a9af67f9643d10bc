"""A commit that reports failure may be committed: sent again, each command gives its first answer and changes nothing more."""

from typing import Any

import msgspec
import pytest

from mainspring.domain.access.permissions import Role, SignInMethod
from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder, Recovery
from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import FlagQuestion, FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.runs.run_conditions import ConditionKind, ConditionSnapshot
from mainspring.domain.runs.stream import StreamPart, pack_records
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.domain.states import (
    AttemptState,
    BulkMove,
    DeliveryState,
    FailureReason,
    OutcomeState,
    RolloutMove,
    RunState,
)
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger_source import TriggerTopic
from mainspring.domain.values.blob import BlobPlace
from mainspring.store.commands import (
    alerts,
    automations,
    blobs,
    bulk_operations,
    effects,
    exec_runs,
    flags,
    inbox,
    incidents,
    journal,
    logs,
    outbox,
    people,
    queries,
    rollouts,
    run_control,
    runs,
    schedules,
    secrets,
    sessions,
    streams,
    targets,
    triggers,
    updates,
)
from mainspring.store.commands.results import Refused, StartAnswer, UpdateStored
from mainspring.store.restore_hold import RESTORED_AT
from mainspring.store.write.command_handlers import HANDLERS
from tests.unit.store.sqlite.stores import StoppedClock, claim, do, open_database, opening, starting

ROW = automations.AutomationRow(name="a", kind="workflow", version=1, fingerprint="f", definition=b"{}")
ANNOUNCE = automations.AnnounceDefinitions(
    fingerprint="f",
    automations=(
        ROW,
        automations.AutomationRow(name="b", kind="workflow", version=1, fingerprint="g", definition=b"{}"),
        *(
            automations.AutomationRow(name, "workflow", version, "r", b"{}", is_candidate=version == 2)
            for name in ("fresh", "rolled")
            for version in (1, 2)
        ),
    ),
    schedules=(automations.ScheduleRow(name="a", automation="a", spec=b"{}", next_slot_at=5),),
    triggers=(
        triggers.TriggerRow("a/hook", "a", "webhook", b"{}", "/in"),
        triggers.TriggerRow("b/runs", "b", "runs", b"{}", None, (TriggerTopic("run", "a", "[]"),)),
    ),
)
USE = SecretUse(secret="S", version="v1", provider="env:", actor="w", automation="a", step="s")
BROKEN = Failure(type="ValueError", code="permanent", message="no")
PART = StreamPart(
    source="mine", ident="s#1", name="s", generation=0, attempt=1, n=1, records=1, size=1, body=pack_records([b"1"])
)
OUTCOME = journal.SaveOutcome(
    run="mine", claim=1, rank=1, ident="s", name="s", kind=OutcomeKind.STEP, state=OutcomeState.SUCCEEDED, request_number=1, attempt=1,
    generation=0, started_at=1, at=2, duration_us=3, automation="a", output=b"1",
)  # fmt: skip
SENT: dict[str, Any] = {
    "events": (inbox.PublishEvent("ev", "paid", b"{}", 2**50),),
    "posts": (QueuedMessage("m1", "orders/eu", b"1"),),
}
POSTS = tuple(QueuedMessage(name, queue, b"1") for name, queue in (("m7", "q/a"), ("m8", "q/b"), ("m9", "q/c")))
ATTEMPT = journal.SaveAttempt(
    run="mine",
    claim=1,
    ident="s",
    name="s",
    generation=0,
    attempt=1,
    state=AttemptState.STARTED,
    request_number=1,
    started_at=1,
    automation="a",
)
ASK = inbox.OpenWait(run="mine", claim=1, ident="q", kind="ask", name="q", question=b"{}")
UPDATE_SEQ = 3
"""The place of the update of run live in its inbox."""
HALT = runs.HaltRun(run="halted", claim=1, reason=FailureReason.DRIFT, rank=0, failed_ident="s", failure=BROKEN)


def found(id, name, channel="ops", *, text="it is wrong", faults=()):
    """A finding of automation a, told to one channel."""
    finding = Finding(subject=Subject("a", IncidentKind.SILENCE, name), severity=Severity.NOTIFY, text=text, since_at=1)
    return incidents.EvaluatedFinding(id=id, finding=finding, to=(NotificationTarget(0, channel),), faults=faults)


PEOPLE: tuple[Any, ...] = (
    people.AddPerson("cleo", "pw", Role.VIEWER, ("a",)),
    people.ChangePerson("bob", Role.OPERATOR, None),
    people.RemovePerson("bob"),
    people.SetPassword("ana", "new", proof="pw"),
    people.OpenWebSession(
        hash="new",
        id="w2",
        name="ana",
        source=SignInMethod.PASSWORD,
        until_at=2**50,
        address="::1",
        browser="b",
        proof="pw",
    ),
    people.EndWebSession("w1"),
    people.EndWebSessions("ana"),
    people.CreateStartLink("link", 2**50),
    people.CreateToken(id="t2", name="ci", hash="h", role=Role.VIEWER, automations=None, by="ana", until_at=None),
    people.RevokeToken("t1"),
    people.RecordFailedSignIn("wrong", "a wrong password"),
)
BULK = bulk_operations.BeginBulkOperation(
    id="due",
    verb=BulkVerb.RETRY,
    selection=b"{}",
    automations=("a",),
    parts=("failed", "halted"),
    actor="me",
    reason=None,
    rate=None,
    piece=1,
    every_ms=0,
)


def effect(key, call_id, recovery=Recovery.PERSON, **changes):
    """A call of a step of the run `mine` that asks for an effect."""
    holder = EffectHolder("mine/s (attempt 1)", call_id, "a", "mine", "s", "k0", 1)
    call = EffectCall(key, holder, "hash", b"[]", recovery=recovery)
    return effects.BeginEffect(msgspec.structs.replace(call, **changes), new_id=f"e_{call_id}")


PAUSE = run_control.RunPauseRequest("me", "look")
ROLLOUT = rollouts.StartRollout(
    automation="fresh",
    new_version=2,
    steps=(1_000_000,),
    hold_ms=1,
    in_flight=InFlightPolicy.FINISH,
    age_ms=0,
    margin=1,
)
COMMANDS: list[Any] = [
    starting("new"),
    starting("new", run_key=runs.RunKey(key="k", input_hash="h")),
    starting("new", here=True),
    runs.ClaimRuns(id="c9", limit=1),
    runs.SuspendRun(run="mine", claim=1, state=RunState.WAITING, due_at=None, seen=0, rank=0),
    runs.ReleaseRun(run="mine", claim=1, rank=0),
    run_control.PauseRun(run="mine", command="pause", request=PAUSE),
    run_control.PauseRun(run="waiting", command="pause", request=PAUSE),
    run_control.EnterPause(run="leaving", claim=1, rank=0),
    run_control.ResumeRun(run="paused", command="resume"),
    run_control.ForkRun(msgspec.structs.replace(starting("forked"), kind="workflow"), source="flow", step="s"),
    runs.FinishRun(run="mine", claim=1, state=RunState.SUCCEEDED, rank=0, result=b"1"),
    runs.CompleteRun("mine", 1, "a", "s#1", "s", 1, 2, 3, b"[]", b"1"),
    runs.CompleteRun("mine", 1, "a", "s#1", "s", 1, 2, 3, b"[]", b"1", events=SENT["events"], posts=SENT["posts"]),
    runs.HaltRun(run="mine", claim=1, reason=FailureReason.DRIFT, rank=0),
    runs.SaveChangeVersions("mine", 1, b'{"initial":{"by-card":2}}'),
    runs.AnnotateRun(run="mine", claim=1, tags=b'{"a":"b"}', published=b"1"),
    automations.AuditedCommand("cmd-reopen", "me", "retry", "failed", runs.ReopenRun(run="failed")),
    automations.AuditedCommand(
        "cmd-give", "me", "give", "halted", runs.GiveResult(run="halted", ident="s", command="cmd-give", output=b"1")
    ),
    automations.AuditedCommand(
        "cmd-cancel", "me", "cancel", "waiting", runs.CancelRun(run="waiting", command="cmd-cancel")
    ),
    automations.AuditedCommand("cmd-done", "me", "done", "halted", runs.MarkRunDone(run="halted", result=b"1")),
    automations.AuditedCommand("cmd-discard", "me", "discard", "halted", runs.DiscardRun(run="halted")),
    OUTCOME,
    ATTEMPT,
    journal.SaveCheckpoint(run="mine", claim=1, ident="s", value=b"1", done=1, total=2),
    logs.SaveLogs("mine", (LogChunk(ident="s#1", attempt=1, first_at=1, last_at=2, lines=3, size=9, body=b"z"),)),
    logs.PruneLogs(2**62),
    streams.WriteStream("mine", 1, "tokens", PART),
    streams.SupersedeRecords("mine", 1, "mine", "s#1", "s", 0, 2),
    journal.RecordStalledAttempt(
        run="mine", claim=1, ident="s", name="s", attempt=1, silent_ms=60_000, stack=("a.py:1 f",)
    ),
    journal.ClearStalledAttempt(run="mine", claim=1, ident="s", attempt=1),
    journal.RecordStalledAttempt("mine", 1, "s", "s", 1, 3_600_000, ("work.py:3 s",)),
    journal.ClearStalledAttempt("mine", 1, "s", 1),
    journal.RecordProcessGroup(pgid=5, started="1"),
    journal.RecordProcessGroup(pgid=5, started="1", ended=True),
    inbox.DeliverFact(run="mine", kind=FactKind.SIGNAL, name="go", source="x1", payload=b"1"),
    inbox.PublishEvent(id="e1", name="paid", data=b"{}", keep_until=9),
    inbox.PublishEvent(id="e1", name="paid", data=b"{}", keep_until=9, key="k"),
    ASK,
    inbox.OpenWait(run="mine", claim=1, ident="e", kind="event", name="paid", since_at=0, where={"a": 1}),
    inbox.CloseWait(run="mine", claim=1, ident="open"),
    inbox.ExpireWait(run="mine", claim=1, ident="open"),
    inbox.RejectFact(run="mine", claim=1, seq=2, failure=BROKEN),
    inbox.ReturnFact(run="mine", claim=1, rank=50, name="go", payload=b"1", at=5, seq=3),
    automations.AuditedCommand(
        "cmd-forget", "me", "discard_rejected", "waiting", inbox.DropRejectedFacts(run="waiting")
    ),
    updates.RequestUpdate("live", updates.UpdateRequest("add", "u2", b"2", "h2")),
    updates.StartWithUpdate(
        msgspec.structs.replace(starting("greeted"), kind="workflow"), updates.UpdateRequest("add", "u3", b"3", "h3")
    ),
    updates.RejectUpdate(run="live", claim=1, seq=UPDATE_SEQ, failure=BROKEN),
    queries.AskQuery("q2", "live", "total", b"1", 10_000),
    queries.AcceptQuery("q1"),
    queries.AnswerQuery("q1", b"1"),
    runs.CancelChild(run="mine", claim=1, ident="kid"),
    runs.UndoChild(run="mine", claim=1, ident="kid", generation=0),
    opening("u1"),
    sessions.RecordHeartbeat(),
    sessions.RecordHeartbeat(1024, 500),
    sessions.RecordBlockedLoop(4_000, ("a.py:1 f",)),
    sessions.RecordBlockedLoop(),
    sessions.RecordProcessFindings(),
    sessions.EndProbation(("r_1",)),
    sessions.WakeWorkers(),
    sessions.ConfirmClockStep(0),
    sessions.DrainSession(1),
    sessions.CloseSession(),
    sessions.DeclareSessionDead(2),
    sessions.ClearProbation(run="mine", claim=1),
    automations.SetQueue(name="q", concurrency=2),
    automations.AuditedCommand(
        "cmd-pause", "me", "pause", "default", automations.PauseQueue(name="default", paused=True, by="me")
    ),
    ANNOUNCE,
    automations.AuditedCommand(
        "cmd-hold", "me", "pause", "a", automations.PauseAutomation(name="a", until_at=None, by="me", reason=None)
    ),
    automations.AuditedCommand("cmd-go", "me", "resume", "b", automations.ResumeAutomation(name="b")),
    automations.AuditedCommand("cmd-retire", "me", "retire", "a", automations.RetireAutomation(name="a")),
    automations.RecordRunConditions((ConditionSnapshot(ConditionKind.RUNTIME, "host:h", {"python": "3.13"}),)),
    automations.MakeSlot(
        schedule="a", slot_at=5, next_slot_at=10, verdict="run", start=starting("slot", slot=runs.SlotLink("a", 5))
    ),
    automations.MakeSlot(schedule="a", slot_at=5, next_slot_at=10, verdict="skipped"),
    automations.AuditedCommand(
        "cmd-new-schedule",
        "me",
        "create",
        "schedule:acme",
        schedules.CreateSchedule("acme", "a", {"every": "1m"}, None, b"{}", "UTC"),
    ),
    automations.AuditedCommand(
        "cmd-change",
        "me",
        "change",
        "schedule:own",
        schedules.ChangeSchedule("own", {"every": "2m"}, None, None, "UTC"),
    ),
    automations.AuditedCommand("cmd-stop", "me", "pause", "schedule:own", schedules.PauseSchedule("own", "me", None)),
    automations.AuditedCommand("cmd-restart", "me", "resume", "schedule:still", schedules.ResumeSchedule("still")),
    automations.AuditedCommand("cmd-remove", "me", "delete", "schedule:own", schedules.DeleteSchedule("own")),
    # Of a schedule that is ahead it is tried where clocks are put back: contract/store/test_schedules.py.
    automations.PullBackSchedule("a", 10),
    automations.AuditedCommand(
        "cmd-back",
        "me",
        "backfill",
        "a",
        automations.BackfillSlot("a", 3, starting("back", slot=runs.SlotLink("a", 3)), "n"),
    ),
    automations.AuditedCommand("cmd-let-be", "me", "dismiss", "a", automations.DismissSlot("a", 1, "no")),
    automations.AuditedCommand("cmd-let-go", "me", "dismiss", "lost", triggers.DismissDelivery("lost", "no")),
    automations.AcquireLock(name="new", owner="mine"),
    targets.EnterTarget("h", TargetLimits(5, 60_000, 1), "r", 0, 60_000),
    targets.LeaveTarget("h", TargetLimits(5, 60_000, 1), "r", is_ok=False),
    targets.ResetTarget("h"),
    automations.ReleaseLock(name="l", token=1),
    automations.CancelLockWait(name="l", owner="mine"),
    automations.AuditedCommand("cmd-break", "me", "break", "l", automations.BreakLock(name="l")),
    effect("new", "9"),
    effect("new", "9", Recovery.CHECK, within_ms=5),
    effect("done", "9"),
    effect("done", "9", identity_hash="other", within_ms=2**40),
    effect("done", "9", within_ms=1),
    effect("lost", "9", Recovery.CHECK),
    effect("lost", "9", Recovery.KEYED),
    effects.SettleEffect("held", "e_1", 1, CallOutcome.DONE, b"1"),
    effects.SettleEffect("held", "e_1", 1, CallOutcome.DONE, refused="no"),
    effects.SettleEffect("held", "e_1", 1, CallOutcome.RELEASED, note="no"),
    effects.SettleEffect("held", "e_1", 1, CallOutcome.UNKNOWN, note="no"),
    effects.SettleEffect("repeated", "e_4", 2, CallOutcome.RELEASED),
    effects.SettleEffect("repeated", "e_4", 2, CallOutcome.RELEASED, was_checked=True),
    effects.SettleEffect("doubted", "e_6", 1, CallOutcome.DONE, b"1"),
    effects.SettleEffect("doubted", "e_6", 1, CallOutcome.UNKNOWN),
    effects.SettleEffect("whole", "e_7", 1, CallOutcome.RELEASED, note="no"),
    effects.SettleEffect("whole", "e_7", 1, CallOutcome.DONE, b"1", has_parts=True),
    effects.ListEarlierEffects("e_7/"),
    automations.AuditedCommand("cmd-effect", "me", "forget", "effect:lost", effects.ForgetEffect("lost")),
    automations.AuditedCommand(
        "cmd-happened", "me", "confirm", "effect:lost", effects.ConfirmEffect("lost", b"1", "me", "I saw it")
    ),
    automations.AuditedCommand(
        "cmd-disputed", "me", "dispute", "effect:done", effects.DisputeEffect("done", "e_2", 1, "it is gone")
    ),
    secrets.RecordSecretUses(2, (USE, msgspec.structs.replace(USE, version="v2"))),
    automations.AuditedCommand("cmd-roll", "me", "rollout start", "automation:fresh", ROLLOUT),
    automations.AuditedCommand(
        "cmd-move",
        "me",
        "rollout finish",
        "automation:rolled",
        rollouts.MoveRollout(automation="rolled", move=RolloutMove.FINISH),
    ),
    rollouts.MoveRun("moving", 0, 2, 1),
    rollouts.CountRolloutRuns(1, 10),
    rollouts.RecordRolloutEvidence(1, 0, "{}"),
    automations.AuditedCommand("cmd-download", "me", "download", "run:r", run_control.RecordFileDownload()),
    automations.AuditedCommand("cmd-secret", "me", "set", "secret:S", secrets.RecordSecretOperation()),
    automations.AuditedCommand("cmd-read", "me", "read", "secret:S", secrets.RecordSecretOperation("no")),
    automations.AuditedCommand("cmd-flag", "me", "set", "flag:f", flags.ChangeFlag("f", FlagChange(share=10))),
    automations.AuditedCommand("cmd-kill", "me", "kill", "flag:g", flags.ChangeFlag("g", FlagChange(is_killed=True))),
    automations.AuditedCommand("cmd-del-flag", "me", "delete", "flag:h", flags.DeleteFlag("h")),
    flags.AnswerFlag("new", 0, FlagQuestion("g", "ann", "false")),
    flags.AnswerFlag("new", 0, FlagQuestion("g", "bob", "false"), is_fresh=True),
    flags.RecordFlagUses(2, (FlagUse("g", "a", FlagSide.ON, FlagReason.SHARE, 2),)),
    automations.SetMeta(key="k", value="v"),
    automations.SetMeta(key="k", value=None),
    outbox.LeaseQueues("new", 1_000, 9, 9),
    outbox.SettleQueue("old", "q/a", sent=(1,)),
    outbox.SettleQueue("old", "q/a", refused=(outbox.MessageRefusal(1, "no"),), away="gone", retry_after_ms=5),
    automations.AuditedCommand("cmd-again", "me", "send again", "m8", outbox.RetryMessage("m8")),
    automations.AuditedCommand("cmd-drop", "me", "discard", "m8", outbox.DiscardMessage("m8")),
    incidents.RecordEvaluation(
        started_at=2**40,
        groups=(incidents.ErrorGroup("a", "f", "E", "c", "p", "m", (incidents.GroupedFailure(1, "failed", 1),)),),
        found=(found("i3", "new"), found("i4", "failed", faults=(1,)), found("i5", "one", text="louder")),
        healthy=(Subject("a", IncidentKind.SILENCE, "two"),),
        reminders=(
            incidents.IncidentReminder("i1", 1, NotificationEvent.ESCALATED, 1, (NotificationTarget(0, "ops"),)),
        ),
    ),
    automations.AuditedCommand("cmd-ack", "me", "acknowledge", "i1", incidents.AcknowledgeIncident("i1", "me")),
    automations.AuditedCommand("cmd-snooze", "me", "snooze", "i1", incidents.SnoozeIncident("i1", 2**50, "me")),
    automations.AuditedCommand("cmd-resolve", "me", "resolve", "i1", incidents.ResolveIncident("i1", "me")),
    incidents.RecordStoreOutage(id="i9", since_at=1, over_at=2, text="away", facts={}),
    *(
        automations.AuditedCommand(f"cmd-{type(person).__name__}", "me", "let in", "somebody", person)
        for person in PEOPLE
    ),
    people.RecordVisit("of-ana"),
    people.RecordVisit("of-bot", is_token=True),
    alerts.LeaseChannels("new", 1_000, ("ops", "other"), 9),
    alerts.SettleAlerts(lease="old", channel="ops", sent=(alerts.SentAlert(1, "ref"),)),
    alerts.SettleAlerts(
        lease="old", channel="ops", refused=(alerts.RefusedAlert(1, "no"),), away="gone", retry_after_ms=5
    ),
    msgspec.structs.replace(BULK, id="new"),
    bulk_operations.LeaseBulkBatch("new", 1_000),
    bulk_operations.RecordBulkBatch(bulk="due", reached="", to="failed", done=0, refused={"failed": "no"}),
    automations.AuditedCommand(
        "cmd-stop", "me", "stop", "bulk:due", bulk_operations.ChangeBulkOperation("due", BulkMove.STOP)
    ),
    exec_runs.DescribeExecAutomation(msgspec.structs.replace(ROW, name="w", kind="script")),
    exec_runs.RecordExecRun(
        id="told",
        automation="w",
        kind="script",
        version=1,
        title=None,
        trigger="exec",
        codec="json",
        input=b"{}",
        state=RunState.SUCCEEDED,
        started_at=1,
        finished_at=2,
    ),
    triggers.AcceptDelivery(id="d1", trigger="a/hook", key="k1", body_hash="h", body=b"x", start=starting("arrived")),
    triggers.AcceptDelivery(
        id="d1",
        trigger="a/hook",
        key="k1",
        body_hash="h",
        body=b"x",
        pace=FlowControl.parse(throttle="1m"),
        start=starting("arrived"),
    ),
    triggers.AcceptDelivery(
        id="d1", trigger="a/hook", key="k1", body_hash="h", body=b"x", pace=FlowControl.parse(batch=2)
    ),
    triggers.AcceptDelivery(id="d1", trigger="a/hook", key="k1", body_hash="h", body=b"x", filtered=True),
    triggers.AcceptDelivery(id="d1", trigger="a/hook", key="k1", body_hash="h", body=b"x", refused="no such field"),
    triggers.RejectDelivery(id="d1", trigger="a/hook", why="signature", note="it is wrong", body=b"x"),
    triggers.DecideDelivery(trigger="a/hook", delivery="asked", state=DeliveryState.STARTED, start=starting("decided")),
    triggers.DecideDelivery(trigger="a/hook", delivery="asked", state=DeliveryState.FILTERED, note="no"),
    triggers.ReleaseHeldDeliveries(
        trigger="a/hook", by="", deliveries=("kept",), pace=FlowControl.parse(debounce="1s"), start=starting("let-go")
    ),
    triggers.ReleaseHeldDeliveries(
        trigger="a/hook", by="", deliveries=("kept",), pace=FlowControl.parse(debounce="1s"), start=None, note="gone"
    ),
    triggers.JoinRun(
        trigger="b/runs", per="p", expected=1, deadline_at=9, delivery="ended", automation="a", run="x", state="failed"
    ),
    triggers.JoinRun(
        trigger="b/runs",
        per="p",
        expected=1,
        deadline_at=9,
        delivery="ended",
        automation="a",
        run="x",
        counts=True,
        start=starting("gathered"),
    ),
    triggers.RecordFilterCall(("asked",)),
    triggers.ReplayDelivery(id="d1", delivery="kept"),
    triggers.ReleaseSourceKey(trigger="a/hook", key="done"),
    triggers.ReportConsumer("a/hook", 5, None, None),
    blobs.SweepBlobs(open_from=2, before=1),
    blobs.RecordSweepTurn("0a"),
    blobs.RecordBlobPlace(BlobPlace("s3://bucket/large/0a", first_day=2)),
    automations.ApplyRetention(
        succeeded_before=2**62, failed_before=None, cancelled_before=None, events_before=None, rollups_before=None
    ),
]
LOSES_ITS_COUNT = (
    *(automations.ApplyRetention, incidents.RecordEvaluation, automations.RecordRunConditions),
    rollouts.CountRolloutRuns,
)
"""Rows that were deleted or changed cannot be counted twice: only what is left must be equal."""


def signal(run):
    return inbox.DeliverFact(run=run, kind=FactKind.SIGNAL, name="go", source=f"go-{run}", payload=b"1")


EFFECTS = (
    ("held", Recovery.PERSON),
    ("done", Recovery.PERSON),
    ("lost", Recovery.KEYED),
    ("repeated", Recovery.KEYED),
    ("other", Recovery.PERSON),
    ("doubted", Recovery.PERSON),
    ("whole", Recovery.PERSON),
    ("e_7/send#aa.1", Recovery.KEYED),
)


def prepared(path):
    """Make a store of SQLite that is filled."""
    return filled(lambda clock: open_database(path, clock=clock))


def filled(open_one):
    """Make a store with runs in several states, a lock, an open question, and a second session."""
    clock = StoppedClock()
    neighbour = open_one(clock)
    database = open_one(clock)
    do(database, opening("u1"))
    do(neighbour, opening("u2"))
    do(database, ANNOUNCE)
    do(neighbour, ANNOUNCE)
    for run in ("theirs", "halted", "failed", "waiting", "done", "mine"):
        do(database, starting(run))
        if run != "theirs":
            assert [claimed.id for claimed in claim(database, f"c-{run}", 1).runs] == [run]
        else:
            claim(neighbour, "c-theirs", 1)
    do(
        database,
        msgspec.structs.replace(
            OUTCOME, run="halted", state=OutcomeState.REFUSED, output=None, failure=BROKEN, posts=POSTS
        ),
    )
    do(database, HALT)
    do(database, outbox.LeaseQueues("old", 2**40, 2, 1))
    do(database, outbox.SettleQueue("old", "q/b", refused=(outbox.MessageRefusal(2, "no"),)))
    do(database, automations.PauseAutomation(name="b", until_at=None, by="me", reason=None))
    do(database, runs.FinishRun(run="failed", claim=1, state=RunState.FAILED, rank=0, failure=BROKEN, failed_ident="s"))
    do(database, runs.FinishRun(run="done", claim=1, state=RunState.SUCCEEDED, rank=0))
    do(database, signal("waiting"))
    do(database, inbox.RejectFact(run="waiting", claim=1, seq=1, failure=BROKEN))
    do(database, signal("mine"))
    parts_once = {"rank": 50, "ident": "go#1", "name": "go", "kind": OutcomeKind.SIGNAL, "events": (), "posts": ()}
    do(database, msgspec.structs.replace(OUTCOME, run="mine", **parts_once))
    do(database, runs.SuspendRun(run="waiting", claim=1, state=RunState.WAITING, due_at=None, seen=0, rank=0))
    do(database, inbox.OpenWait(run="mine", claim=1, ident="open", kind="ask", name="open", question=b"{}"))
    do(database, automations.AcquireLock(name="l", owner="mine"))
    do(database, targets.EnterTarget("h", TargetLimits(5, 60_000, 3), "earlier", 0, 60_000))
    for number, (key, recovery) in enumerate(EFFECTS, 1):
        do(database, effect(key, str(number), recovery))
    do(database, effects.SettleEffect("done", "e_2", 1, CallOutcome.DONE, b"1"))
    do(database, effects.SettleEffect("lost", "e_3", 1, CallOutcome.UNKNOWN))
    do(database, effects.SettleEffect("repeated", "e_4", 1, CallOutcome.UNKNOWN))
    do(database, effect("repeated", "5", Recovery.KEYED))
    do(database, effects.SettleEffect("doubted", "e_6", 1, CallOutcome.UNKNOWN))
    do(database, effects.SettleEffect("e_7/send#aa.1", "e_8", 1, CallOutcome.DONE, b"1"))
    do(database, people.AddPerson("ana", "pw", Role.ADMIN, None))
    do(database, people.AddPerson("bob", "pw", Role.VIEWER, None))
    do(database, msgspec.structs.replace(PEOPLE[4], hash="of-ana", id="w1"))
    do(database, msgspec.structs.replace(PEOPLE[8], id="t1", name="bot", hash="of-bot"))
    do(
        database,
        incidents.RecordEvaluation(
            started_at=1, found=(found("i1", "one"), found("i2", "two"), found("i6", "x", "other"))
        ),
    )
    do(database, alerts.LeaseChannels("old", 2**40, ("ops",), 1))
    do(database, msgspec.structs.replace(starting("flow"), kind="workflow"))
    claim(database, "c-flow", 1)
    do(
        database,
        msgspec.structs.replace(
            OUTCOME, run="flow", ident="r", name="r", rank=1, request_number=1, events=(), posts=()
        ),
    )
    do(database, msgspec.structs.replace(OUTCOME, run="flow", rank=2, request_number=2, events=(), posts=()))
    do(database, runs.FinishRun(run="flow", claim=1, state=RunState.SUCCEEDED, rank=2))
    do(database, msgspec.structs.replace(starting("live"), kind="workflow"))
    claim(database, "c-live", 1)
    do(database, updates.RequestUpdate("live", updates.UpdateRequest("add", "u1", b"1", "h1")))
    do(database, queries.AskQuery("q1", "live", "total", b"1", 10_000))
    do(database, starting("leaving"))
    claim(database, "c-leaving", 1)
    do(database, run_control.PauseRun(run="leaving", command="earlier", request=PAUSE))
    do(database, starting("paused"))
    do(database, run_control.PauseRun(run="paused", command="earlier", request=PAUSE))
    do(database, starting("queued"))
    do(database, BULK)
    kid = msgspec.structs.replace(starting("kid"), automation="b", parent=runs.ParentLink("mine", "kid", 1))
    do(database, kid)
    accepted = triggers.AcceptDelivery(
        id="kept", trigger="a/hook", key="kept", body_hash="h", body=b"x", pace=FlowControl.parse(debounce="1s")
    )
    do(database, accepted)
    do(database, msgspec.structs.replace(accepted, id="asked", key="asked", pace=FlowControl(), filtered=True))
    do(database, msgspec.structs.replace(accepted, id="done", key="done", pace=FlowControl()))
    do(
        database,
        msgspec.structs.replace(accepted, id="ended", trigger="b/runs", key="ended", pace=FlowControl(), filtered=True),
    )
    do(database, automations.MakeSlot(schedule="a", slot_at=1, next_slot_at=5, verdict="lost"))
    for name in ("own", "still"):
        do(database, schedules.CreateSchedule(name, "a", {"every": "1m"}, None, b"{}", "UTC"))
    do(database, schedules.PauseSchedule("still", "me", None))
    do(database, automations.SetMeta(RESTORED_AT, "9"))
    do(
        database,
        msgspec.structs.replace(accepted, id="lost", key="lost", pace=FlowControl(), was_stored=True, happened_at=1),
    )
    do(database, automations.SetMeta(RESTORED_AT, None))
    do(database, secrets.RecordSecretUses(1, (USE,)))
    for name in ("g", "h"):
        do(database, flags.ChangeFlag(name, FlagChange(share=500_000)))
    do(database, flags.RecordFlagUses(1, (FlagUse("g", "a", FlagSide.ON, FlagReason.SHARE, 1),)))
    do(database, msgspec.structs.replace(ROLLOUT, automation="rolled"))
    do(database, msgspec.structs.replace(starting("counted", here=True), automation="rolled"))
    do(database, msgspec.structs.replace(starting("moving"), automation="rolled"))
    neighbour.close()
    clock.now_at += 1_000
    return database


def contents(database) -> dict[str, list[Any]]:
    tables = [
        row[0] for row in database.connection.execute("select name from sqlite_schema where type = 'table'").fetchall()
    ]
    return {
        table: sorted(map(repr, database.connection.execute(f"select * from {table}").fetchall())) for table in tables
    }


def is_refusal(command: Any) -> bool:
    """Tell of the commands that are always refused: their audit row is what is wanted."""
    inner = command.inner if isinstance(command, automations.AuditedCommand) else None
    return isinstance(inner, people.RecordFailedSignIn) or inner == secrets.RecordSecretOperation("no")


def spread(command: Any) -> set[type]:
    return {type(command)} | ({type(command.inner)} if isinstance(command, automations.AuditedCommand) else set())


def test_every_command_is_sent_again_by_a_test():
    """A new command cannot be forgotten here."""
    HANDLERS.load_all()
    assert set().union(*map(spread, COMMANDS)) == set(HANDLERS)


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: "-".join(sorted(kind.__name__ for kind in spread(command)))
)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "lost"])
def test_a_command_of_unknown_outcome_is_sent_again_with_one_effect(tmp_path, command, committed):
    """Whether the first try was committed or lost: the answer and every row are those of a single undisturbed commit."""
    quiet, disturbed = prepared(tmp_path / "quiet.db"), prepared(tmp_path / "disturbed.db")
    session = disturbed.session
    expected = do(quiet, command)
    if committed:
        disturbed.commit([command])
        disturbed.session = session  # the process was reported a failure: it knows no result
    answer = do(disturbed, command, again=True)
    assert isinstance(expected, Refused) is is_refusal(command)
    if isinstance(answer, StartAnswer):
        # Whether this very command made the run is not on record; which run it is, is.
        assert (answer.run, answer.state) == (expected.run, expected.state)
    elif isinstance(answer, UpdateStored):
        assert (answer.id, answer.run) == (expected.id, expected.run)
    elif not (committed and isinstance(command, LOSES_ITS_COUNT)):
        assert answer == expected
    quiet_rows, disturbed_rows = contents(quiet), contents(disturbed)
    for table in quiet_rows:
        if table not in ("sqlite_sequence", "commits"):  # what was committed twice is counted twice
            assert disturbed_rows[table] == quiet_rows[table], table
    quiet.close()
    disturbed.close()


def test_a_wait_that_was_answered_takes_no_second_event_when_its_group_is_sent_again(tmp_path):
    """The next event stays free for the next wait: no one would ever accept what came for a request that has its outcome."""
    database = prepared(tmp_path / "events.db")
    for event in ("e1", "e2"):
        do(database, inbox.PublishEvent(id=event, name="paid", data=b"{}", keep_until=2**62))
    wait = inbox.OpenWait(run="mine", claim=1, ident="paid#1", kind="event", name="paid", since_at=0, where={})
    do(database, wait)
    ((seq,),) = database.connection.execute("select seq from inbox where run = 'mine' and kind = 'event'").fetchall()
    parts_once = msgspec.structs.replace(
        OUTCOME, ident="paid#1", name="paid", kind=OutcomeKind.EVENT, inbox=seq, marked=True
    )
    do(database, parts_once)
    answers = database.commit([wait, parts_once], again=True).results
    assert not any(isinstance(answer, Refused) for answer in answers)
    assert database.connection.execute("select * from inbox where run = 'mine' and kind = 'event'").fetchall() == []
    do(database, msgspec.structs.replace(wait, ident="paid#2"))
    assert database.connection.execute(
        "select ident, source from inbox where run = 'mine' and kind = 'event'"
    ).fetchall() == [("paid#2", "e2")]
    database.close()
