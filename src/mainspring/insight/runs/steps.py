"""Steps of a run as lines of a picture, from its journal and its attempts. Pure, no terminal.

A line is one request of the body (a step, a wait, a child, an undo) in the order of requests, with all its attempts.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import STOP_KINDS, AttemptRecord, Checkpoint, Outcome, OutcomeKind
from mainspring.domain.runs.step_identity import escape_step_name
from mainspring.domain.states import TERMINAL_STATES, AttemptState, OutcomeState, RunState
from mainspring.store.views import RunHistory

SOLID, HOLLOW, DOT = "█", "░", "·"
WIDEST: Final = 20
WAITS: Final = frozenset({OutcomeKind.TIMER, OutcomeKind.SIGNAL, OutcomeKind.EVENT, OutcomeKind.ANSWER})

MOST: Final = 24
"""Most outcomes of a run with stages: more make no readable picture."""


class StepTry(msgspec.Struct, frozen=True):
    """One attempt; `state` in words, instants in ms, `next_at` = when another follows."""

    number: int
    state: str
    started_at: int
    ended_at: int | None = None
    next_at: int | None = None
    failure: Failure | None = None

    def duration_ms(self, now: int) -> int:
        """Return its duration in ms, up to now if it runs."""
        return max((self.ended_at or now) - self.started_at, 0)


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `state` is that of its outcome, "running", "retrying" or "lost"; `superseded` = the generation that replaced it."""

    ident: str
    name: str
    kind: str
    state: str
    request_number: int = msgspec.field(name="asked")
    generation: int
    superseded: int | None
    tries: list[StepTry]
    output: bytes | None = None
    failure: Failure | None = None
    progress: tuple[int, int | None] | None = None

    @property
    def label(self) -> str:
        """The name for people, with the key if there is one: `deploy[a]`."""
        return label_step(self.ident, self.name)

    @property
    def is_wait(self) -> bool:
        """Whether it only waits."""
        return self.kind in WAITS

    def duration_ms(self, now: int) -> int:
        """Return the span from the first start to the end, in ms."""
        return max((self.tries[-1].ended_at or now) - self.tries[0].started_at, 0) if self.tries else 0


def label_step(ident: str, name: str) -> str:
    """Return the name of a step with its key, `deploy[a]`; only its name if it has no key."""
    for part in dict.fromkeys((escape_step_name(name), name)):  # earlier versions did not escape it
        branch, _, key = ident.partition(f"{part}[")
        if key.endswith("]") and (branch in ("", "undo:") or branch.endswith("/")):
            return f"{name}[{key}"
    return name


def list_step_lines(history: RunHistory) -> list[StepLine]:
    """Return the lines of a run, in the order of requests."""
    attempts: dict[tuple[str, int], list[AttemptRecord]] = {}
    for attempt in history.attempts:
        attempts.setdefault((attempt.ident, attempt.generation), []).append(attempt)
    lines = []
    # The outcome that counts first: it has all attempts of its generation, also those before a failure that it replaced.
    for outcome in sorted(history.outcomes, key=lambda outcome: outcome.superseded is not None):
        before = attempts.pop((outcome.ident, outcome.generation), [])
        lines.append(_ended_line(outcome, before, history.checkpoints.get(outcome.ident)))
    left_at = None if history.run.state is RunState.RUNNING else history.run.changed_at
    is_over = history.run.state in TERMINAL_STATES
    lines += [
        _open_line(tries, history.checkpoints.get(tries[0].ident), left_at, is_over=is_over)
        for tries in attempts.values()
    ]
    return sorted(lines, key=lambda line: (line.generation if line.superseded is None else 0, line.request_number))


def _ended_line(outcome: Outcome, before: list[AttemptRecord], checkpoint: Checkpoint | None) -> StepLine:
    is_work = outcome.kind in (OutcomeKind.STEP, OutcomeKind.UNDO)
    ended_at = outcome.started_at + -(-outcome.duration_us // 1000) if is_work else outcome.at
    last = StepTry(outcome.attempt, str(outcome.state), outcome.started_at, ended_at, None, outcome.failure)
    return StepLine(
        ident=outcome.ident,
        name=outcome.name,
        kind=str(outcome.kind),
        state=str(outcome.state),
        request_number=outcome.request_number,
        generation=outcome.generation,
        superseded=outcome.superseded,
        tries=[*(_build_try(attempt) for attempt in before if attempt.attempt != outcome.attempt), last],
        output=outcome.output,
        failure=outcome.failure,
        progress=_read_progress(checkpoint),
    )


def _open_line(
    attempts: list[AttemptRecord], checkpoint: Checkpoint | None, left_at: int | None, *, is_over: bool
) -> StepLine:
    """Return the line of a step without outcome; `left_at` = since when no worker has the run: then nothing of it runs.

    If the run has ended, no other attempt follows.
    """
    last = attempts[-1]
    words = {
        AttemptState.STARTED: "running" if left_at is None else "lost",
        AttemptState.FAILED: str(OutcomeState.CANCELLED) if is_over else "retrying",
    }
    return StepLine(
        ident=last.ident,
        name=last.name,
        kind=str(OutcomeKind.STEP),
        state=words.get(last.state, str(last.state)),
        request_number=last.request_number,
        generation=last.generation,
        superseded=last.superseded,
        tries=[_build_try(attempt, left_at) for attempt in attempts],
        failure=last.failure,
        progress=_read_progress(checkpoint),
    )


def _build_try(attempt: AttemptRecord, left_at: int | None = None) -> StepTry:
    word, ended_at = str(attempt.state), attempt.ended_at
    if attempt.state is AttemptState.STARTED:
        word, ended_at = ("running", ended_at) if left_at is None else ("lost", max(left_at, attempt.started_at))
    return StepTry(attempt.attempt, word, attempt.started_at, ended_at, attempt.next_at, attempt.failure)


def _read_progress(checkpoint: Checkpoint | None) -> tuple[int, int | None] | None:
    return None if checkpoint is None or checkpoint.done is None else (checkpoint.done, checkpoint.total)


def draw_bars(lines: list[StepLine], now: int) -> list[str]:
    """Return the bar of each line: solid = the attempt that counts, hollow = earlier ones, dots = a wait. At most WIDEST characters.

    Work and waits have separate scales, so that three days of sleep do not flatten three seconds of work.
    """
    work = max((sum(t.duration_ms(now) for t in line.tries) for line in lines if not line.is_wait), default=0)
    wait = max((line.duration_ms(now) for line in lines if line.is_wait), default=0)
    return [_draw_wait(line, wait, now) if line.is_wait else _draw_work(line, work, now) for line in lines]


def _draw_wait(line: StepLine, longest: int, now: int) -> str:
    return DOT * _length(line.duration_ms(now), longest)


def _draw_work(line: StepLine, longest: int, now: int) -> str:
    parts = []
    for position, step_try in enumerate(line.tries):
        counts = position == len(line.tries) - 1 and step_try.state in (str(OutcomeState.SUCCEEDED), "running")
        parts.append((SOLID if counts else HOLLOW) * _length(step_try.duration_ms(now), longest))
    bar = " ".join(parts)
    return bar if len(bar) <= WIDEST * 2 else bar[: WIDEST * 2 - 1] + "…"


def _length(part: int, longest: int) -> int:
    return max(1, round(WIDEST * part / longest)) if longest else 1


class StageStep(msgspec.Struct, frozen=True):
    """One request in a stage; `state` as in its line."""

    ident: str
    name: str
    kind: str
    state: str


class Stage(msgspec.Struct, frozen=True):
    """Parallel requests: they started when the stage before had been delivered."""

    steps: list[StageStep]


def list_stages(
    outcomes: Sequence[Outcome], lines: Sequence[StepLine], requested_after: Mapping[int, int]
) -> list[Stage]:
    """Return the stages of a run; `requested_after` = rank -> the rank that had been delivered when that outcome was requested.

    A request without outcome comes after all that have one.
    """
    levels: dict[str, int] = {}
    ranks: list[tuple[int, int]] = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.rank):
        if outcome.superseded is None and outcome.kind not in STOP_KINDS:
            before = [level for rank, level in ranks if rank <= requested_after.get(outcome.rank, 0)]
            levels[outcome.ident] = max(before, default=-1) + 1
            ranks.append((outcome.rank, levels[outcome.ident]))
    latest = max(levels.values(), default=-1) + 1
    found: dict[int, list[StageStep]] = {}
    for line in lines:
        if line.superseded is None and line.kind not in STOP_KINDS:
            step = StageStep(line.ident, line.label, line.kind, line.state)
            found.setdefault(levels.get(line.ident, latest), []).append(step)
    return [Stage(found[level]) for level in sorted(found)]
