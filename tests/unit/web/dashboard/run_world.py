"""Runs as workers leave them, made by the commands of the store: what the tests of the pages of runs stand on."""

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.runs.log_chunk import LogChunk, pack_lines
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.runs import ClaimRuns
from tests.api_world import PAY
from tests.contract.store.process import fail, outcome, suspend

ORDER = Definition(kind=DefinitionKind.WORKFLOW, name="pay-order")
DATA = b'{"amount":1}'
HOSTILE = "<script>alert(1)</script>"


def claimed(world, definition=PAY, data=DATA):
    """Return a run that a worker has."""
    run = world.begin(definition, data)
    (found,) = [
        claimed_run for claimed_run in world.store.apply(ClaimRuns(f"c.{run}", 10)).runs if claimed_run.id == run
    ]
    return found


def failed(world, definition=PAY, steps=("dump", "upload"), **options):
    """Return a run that failed at its last step, which logged something."""
    run = claimed(world, definition, DATA if definition is PAY else b"{}")
    for rank, name in enumerate(steps, 1):
        world.store.apply(outcome(run, rank, name, started_at=world.clock.now(), at=world.clock.now()))
    world.store.apply(SaveLogs(run.id, (lines(steps[-1], "connecting", "403 AccessDenied"),)))
    world.store.apply(fail(run, steps[-1], rank=len(steps), **options))
    return run.id


def ask_question(world, text="Charge it?", definition=PAY, **question):
    """Return a run that waits for an answer."""
    run = claimed(world, definition, DATA if definition is PAY else b"{}")
    ask(world, run, text=text, **question)
    world.store.apply(suspend(run))
    return run.id


def ask(world, run, ident="q1", **question):
    """Let a run ask a person within an hour."""
    question_text = msgspec.json.encode({"choices": ["approve", "refund"], "otherwise": None} | question)
    until_at = world.clock.now() + 3_600_000
    world.store.apply(OpenWait(run.id, run.claim, ident, "ask", "ask", until_at, question=question_text))


def lines(step, *texts, attempt=1, level=Level.ERROR, at=1_700_000_000_000):
    """Return lines of a step, the last one of this level, the others of INFO."""
    made = [
        LogLine(at=at + place, level=level if place == len(texts) - 1 else Level.INFO, text=text, step=step)
        for place, text in enumerate(texts)
    ]
    body = pack_lines([msgspec.json.encode(line) for line in made])
    return LogChunk(ident=step, attempt=attempt, first_at=at, last_at=at, lines=len(made), size=9, body=body)
