"""Created schedules in the words of the tests: operations, and a scheduler that plans and commits."""

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.worker.slot_planner import SlotPlanner
from mainspring.store.commands.schedules import (
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.schedules import find_created_schedule
from mainspring.store.read.status.status import slots_between

MINUTE = 60_000
INPUT = b"{}"


def announce(process, name="report", fingerprint="code-1", **options):
    """Announce an automation without a schedule in its code."""
    definition = Definition(kind=DefinitionKind.TASK, name=name, options=options)
    process.announce(name, definition=msgspec.json.encode(definition.to_data()), fingerprint=fingerprint)


def create(process, name="acme", automation="report", *, input=INPUT, **options):
    timed = options if options.keys() & {"cron", "every", "at"} else {"every": "1m", **options}
    return process.do(CreateSchedule(name, automation, timed, None, input, "UTC"))


def change(process, name="acme", *, input=None, expected=None, **options):
    return process.do(ChangeSchedule(name, options, None, input, "UTC", expected))


def pause(process, name="acme", reason=None, expected=None):
    return process.do(PauseSchedule(name, "cli:ann@box", reason, expected))


def resume(process, name="acme", expected=None):
    return process.do(ResumeSchedule(name, expected))


def delete(process, name="acme", expected=None):
    return process.do(DeleteSchedule(name, expected))


def find(process, name="acme"):
    return find_created_schedule(process.reader, name)


def plan(process):
    """Return what a scheduler would commit now."""
    planner = SlotPlanner(WorkerReads(process.reader), process.clock, PLAIN_SEALING, None)
    plans = planner.make(process.clock.now(), 100)
    assert [plan.reason for plan in plans if plan.reason] == []
    return [command for plan in plans for command in plan.commands]


def serve(process):
    """Let a scheduler make all slots that are due; return the answers."""
    answers = []
    while commands := plan(process):
        answers += [process.do(command) for command in commands]
    return answers


def slots(process, name="acme"):
    return {row.slot_at: row for row in slots_between(process.reader, name, 0, 2**60, 10_000)}
