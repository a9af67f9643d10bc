"""Which function answers which command."""

from collections.abc import Callable
from typing import Any, Final

from mainspring.store.commands import alerts as heard
from mainspring.store.commands import automations as acts
from mainspring.store.commands import inbox as facts
from mainspring.store.commands import incidents as seen
from mainspring.store.commands import journal as saved
from mainspring.store.commands import logs as said
from mainspring.store.commands import outbox as sent
from mainspring.store.commands import runs
from mainspring.store.commands import sessions as lives
from mainspring.store.commands import triggers as come
from mainspring.store.commands import wrapped as told
from mainspring.store.handlers import (
    alerts,
    audit,
    automations,
    circumstances,
    claims,
    endings,
    events,
    filters,
    holding,
    inbox,
    incidents,
    journal,
    locks,
    logs,
    lost_store,
    outbox,
    queues,
    reopening,
    schedules,
    sessions,
    starts,
    triggers,
    turned_away,
    upkeep,
    wrapped,
)
from mainspring.store.transaction import Transaction

HANDLERS: Final[dict[type, Callable[[Transaction, Any], Any]]] = {
    runs.StartRun: starts.start_run,
    runs.Claim: claims.claim,
    runs.Suspend: endings.suspend,
    runs.Release: endings.release,
    runs.Finish: endings.finish,
    runs.Complete: endings.complete,
    runs.Halt: endings.halt,
    runs.Annotate: endings.annotate,
    runs.Reopen: reopening.reopen,
    runs.GiveResult: reopening.give_result,
    runs.CancelRun: reopening.cancel_run,
    runs.CancelChild: endings.cancel_child,
    runs.MarkDone: reopening.mark_done,
    runs.Discard: reopening.discard,
    saved.SaveOutcome: journal.save_outcome,
    saved.SaveAttempt: journal.save_attempt,
    saved.SaveCheckpoint: journal.save_checkpoint,
    said.SaveLines: logs.save_lines,
    said.PruneLines: logs.prune_lines,
    facts.Deliver: inbox.deliver,
    facts.Publish: events.publish,
    facts.OpenWait: events.open_wait,
    facts.CloseWait: events.close_wait,
    sent.TakeQueues: outbox.take_queues,
    sent.SettleQueue: outbox.settle_queue,
    sent.SendAgain: outbox.send_again,
    sent.DiscardMessage: outbox.discard_message,
    lives.OpenSession: sessions.open_session,
    lives.Beat: sessions.beat,
    lives.DrainSession: sessions.drain_session,
    lives.CloseSession: sessions.close_session,
    lives.Bury: sessions.bury,
    lives.ClearSuspect: sessions.clear_suspect,
    saved.RecordProcess: sessions.record_process,
    acts.SetQueue: queues.set_queue,
    acts.PauseQueue: queues.pause_queue,
    acts.Announce: automations.announce,
    acts.NoteCircumstances: circumstances.note_circumstances,
    acts.PauseAutomation: automations.pause_automation,
    acts.ResumeAutomation: automations.resume_automation,
    acts.RetireAutomation: automations.retire_automation,
    acts.MakeSlot: schedules.make_slot,
    acts.BackfillSlot: schedules.backfill_slot,
    acts.TakeLock: locks.take_lock,
    acts.ReleaseLock: locks.release_lock,
    acts.BreakLock: locks.break_lock,
    acts.SetMeta: locks.set_meta,
    acts.Prune: upkeep.prune,
    come.TakeIn: triggers.take_in,
    come.RefuseArrival: turned_away.refuse_arrival,
    come.Decide: triggers.decide,
    come.NoteAsked: filters.note_asked,
    come.LetGo: holding.let_go,
    come.Gather: holding.gather,
    come.Replay: triggers.replay,
    come.ForgetSource: triggers.forget_source,
    come.ReportDesk: triggers.report_desk,
    told.DescribeWrapped: wrapped.describe_wrapped,
    told.RecordRun: wrapped.record_run,
    heard.TakeAlerts: alerts.take_alerts,
    heard.SettleAlerts: alerts.settle_alerts,
    seen.Observe: incidents.observe,
    seen.RecordLost: lost_store.record_lost,
    seen.Acknowledge: incidents.acknowledge,
    seen.Snooze: incidents.snooze,
    seen.Resolve: incidents.resolve,
    acts.Audited: lambda tx, command: audit.audited(tx, command, HANDLERS),
}
