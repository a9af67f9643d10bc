"""Replayer of journals: each one twice, in two processes with different hash seeds, so that code which is not deterministic is found."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import msgspec

from mainspring.app.replay.replay_protocol import LoadedCode, ReplaySpec, TracedReplay
from mainspring.app.replay.replay_session import ReplayAbortedError, ReplaySession
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import MainspringError
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.engine.driver.journal_replay import JournalDifference, JournalReplay, ReplayOutcome
from mainspring.engine.driver.replay import SavedRun
from mainspring.engine.driver.replay_trace import TracedRequest

HASH_SEEDS = (0, 1)
DEFAULT_LIMIT_S, _LOAD_LIMIT_S = 5.0, 30.0
_MOST_ABORTS = 2
"""Replays of one automation that may hang or end the process before its other journals are left out."""
_LINES_BEFORE, _LINES_AFTER = 2, 3
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


class JournalResult(msgspec.Struct, frozen=True):
    """The result of one journal. `histories` = what each of two replays requested, if they differ; `hint` = the fix, if it is special."""

    run: str
    automation: str
    version: int
    differences: list[JournalDifference]
    histories: list[list[str]] = []
    hint: str | None = None

    @property
    def outcome(self) -> ReplayOutcome:
        """The outcome: that of the most important difference."""
        return self.differences[0].outcome if self.differences else ReplayOutcome.SAME


class JournalReplayer:
    """A context in which journals are replayed against the code of `spec`. `limit_s` = seconds for one replay.

    Raises (on entering):
        ReplayAbortedError: the code cannot be loaded: it hangs, or ends the process.
    """

    def __init__(self, spec: ReplaySpec, *, limit_s: float = DEFAULT_LIMIT_S) -> None:
        spec = msgspec.structs.replace(spec, is_traced=True)
        self._limit_s = limit_s
        self._sessions = [
            ReplaySession(spec, limit_s=limit_s, load_limit_s=_LOAD_LIMIT_S, hash_seed=seed) for seed in HASH_SEEDS
        ]
        self._stack = ExitStack()
        self._aborts: dict[str, int] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._pool = stack.enter_context(ThreadPoolExecutor(len(self._sessions)))
            entered = [self._pool.submit(session.__enter__) for session in self._sessions]
            for session in self._sessions:
                stack.callback(session.close)
            for future in entered:
                future.result()
            self._stack = stack.pop_all()
        self._versions: dict[str, set[int]] = {}
        for definition in map(Definition.from_data, self.code.definitions):
            self._versions.setdefault(definition.name, set()).add(definition.version)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End both processes."""
        self._stack.close()

    @property
    def code(self) -> LoadedCode:
        """The loaded code."""
        return self._sessions[0].code

    def has_code_of(self, name: str, kind: str) -> bool:
        """Return whether the code has an automation of this name, or a successor of it (`was=`). A step that runs alone has none."""
        return kind == STEP_RUN or name in self._versions or name in self.code.former_names

    def names_of(self, name: str) -> list[str]:
        """Return a name of an automation and its former names."""
        return [name, *(old for old, new in self.code.former_names.items() if new == name)]

    def replay(self, saved: SavedRun) -> JournalResult:
        """Replay one journal twice."""
        saved = saved.rename(self.code.former_names)
        obstacle = self._find_obstacle(saved)
        if obstacle is not None:
            return obstacle
        futures = [self._pool.submit(session.replay_journal, saved) for session in self._sessions]
        reports: list[TracedReplay] = []
        aborts = list(_collect(futures, reports))
        if aborts:
            name = saved.run.automation
            self._aborts[name] = self._aborts.get(name, 0) + 1
            return _build_aborted(saved, aborts[0], self._limit_s)
        return _compare_reports(saved, reports)

    def _find_obstacle(self, saved: SavedRun) -> JournalResult | None:
        """Return why a journal cannot be replayed with this code."""
        run = saved.run
        if run.kind != STEP_RUN:
            versions = self._versions.get(run.automation, set())
            if not versions:
                hint = f'Load its code with -m FILE, or name its successor: was="{run.automation}".'
                return build_not_replayed(saved, f"the code has no automation {run.automation!r}", hint)
            if run.version not in versions:
                listed = ", ".join(map(str, sorted(versions)))
                text = f"the code has version {listed} of it, and the run has version {run.version}"
                return build_not_replayed(saved, text, "Keep a function with its version=, or delete the journal.")
        if self._aborts.get(run.automation, 0) >= _MOST_ABORTS:
            return build_not_replayed(saved, f"it was left out after {_MOST_ABORTS} replays that did not end")
        return None


def build_not_replayed(saved: SavedRun, text: str, hint: str | None = None) -> JournalResult:
    """Return the result of a journal that cannot be replayed."""
    run = saved.run
    difference = JournalDifference(ReplayOutcome.NOT_REPLAYED, text)
    return JournalResult(run.id, run.automation, run.version, [difference], hint=hint)


def _collect(futures: "list[Future[TracedReplay]]", reports: list[TracedReplay]) -> Iterator[ReplayAbortedError]:
    for future in futures:
        try:
            reports.append(future.result())
        except ReplayAbortedError as error:
            yield error


def _build_aborted(saved: SavedRun, error: MainspringError, limit_s: float) -> JournalResult:
    run = saved.run
    if isinstance(error, ReplayAbortedError) and error.is_blocked:
        text = f"the code does not come to rest within {limit_s:g} s"
        difference = JournalDifference(ReplayOutcome.BLOCKED, text, place=error.place)
        return JournalResult(run.id, run.automation, run.version, [difference])
    return build_not_replayed(saved, error.message, "Code of a workflow must not end its process.")


def _compare_reports(saved: SavedRun, reports: list[TracedReplay]) -> JournalResult:
    first, second = reports
    if first.refused:
        text = f"the code calls {first.refused[0]} outside of a step, which a replay refuses"
        return build_not_replayed(saved, text, "Put this call into a step: run.step(function, ...).")
    run, left, right = saved.run, first.replay, second.replay
    if _identify(left) == _identify(right):
        return JournalResult(run.id, run.automation, run.version, left.differences)
    differing, histories, place = _compare_requests(left, right)
    difference = JournalDifference(
        ReplayOutcome.NOT_DETERMINISTIC, f"two replays of this journal differ: {differing}", place=place
    )
    return JournalResult(run.id, run.automation, run.version, [difference], histories)


def _identify(replay: JournalReplay) -> tuple[object, ...]:
    """Return all that two replays of one journal must have in common. Addresses of objects differ between processes."""
    texts = [(item.outcome, item.text, item.step, _key_of(item.changes)) for item in replay.differences]
    return [request.identity for request in replay.requests], _ADDRESS.sub("0x", repr((texts, replay.end)))


def _key_of(changes: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return [tuple(change.values()) for change in changes]


def _compare_requests(left: JournalReplay, right: JournalReplay) -> tuple[str, list[list[str]], str]:
    """Return where two replays part, both histories around that place, and the line of the first request that differs."""
    pairs = list(zip(left.requests, right.requests, strict=False))
    place = next((n for n, (a, b) in enumerate(pairs) if a.identity != b.identity), len(pairs))
    histories = [_list_requests(replay, place) for replay in (left, right)]
    if place == len(left.requests) == len(right.requests):
        differing = "they end in different ways"
        histories = [[f"end: {replay.end}"] for replay in (left, right)]
    else:
        differing = f"their requests part at number {place + 1}"
    longer = left if place < len(left.requests) else right
    return differing, histories, longer.requests[place].place if place < len(longer.requests) else ""


def _list_requests(replay: JournalReplay, place: int) -> list[str]:
    start = max(0, place - _LINES_BEFORE)
    part = replay.requests[start : place + _LINES_AFTER]
    lines = [f"{number}. {_describe_request(request)}" for number, request in enumerate(part, start + 1)]
    return lines if place + _LINES_AFTER < len(replay.requests) else [*lines, f"end: {replay.end}"]


def _describe_request(request: TracedRequest) -> str:
    return f"{request.kind} {request.ident} {request.input}".rstrip()
