"""Trace of a replay: the requests of a body in their order, each with the line of its call. Only replays record it."""

import functools
from types import CodeType, FrameType
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.failures.error_location import locate_full_path
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.body import Body
from mainspring.engine.body.deterministic_loop import DeterministicLoop
from mainspring.engine.body.drift import Drift, detect_drift
from mainspring.engine.body.request import ChildCall, Request, SendCall, StartCall, StepCall
from mainspring.engine.body.unawaited_calls import UnawaitedCalls, caller_frame

_DRIVE = DeterministicLoop.drive.__code__
_WITH_INPUT = (StepCall, ChildCall, StartCall, SendCall)
_MOST_FRAMES = 60


class TracedRequest(msgspec.Struct, frozen=True, array_like=True):
    """One request: `input` = its arguments as JSON, or the instant at which its wait ends. `place` = "FILE:LINE in FUNCTION", or ""."""

    kind: OutcomeKind
    ident: str
    name: str
    input: str
    place: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """The part that each replay of the same code must repeat."""
        return self.kind, self.ident, self.input


class InputDrift(msgspec.Struct, frozen=True):
    """A saved step that failed, which the code requests with another input. A worker does not stop for it."""

    drift: Drift
    kind: OutcomeKind


class TracedBody(Body):
    """A body that records its requests."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.requests: list[TracedRequest] = []
        self.input_drifts: list[InputDrift] = []
        self._traced_calls = TracedCalls()
        self.calls = self._traced_calls

    def number(self, request: Request) -> None:
        """Record a request, and compare the input of a step that failed."""
        saved, call = self.find_saved(request.ident), request.call
        self.requests.append(
            TracedRequest(request.kind, request.ident, request.name, _read_input(request), self._find_place(request))
        )
        if (
            saved is not None
            and saved.state is OutcomeState.FAILED
            and saved.rank > self.inherited_rank
            and saved.kind is request.kind
            and isinstance(call, _WITH_INPUT)
        ):
            drift = detect_drift(request, replace(saved, state=OutcomeState.SUCCEEDED), self.read_input)
            if drift is not None:
                self.input_drifts.append(InputDrift(drift, request.kind))
        super().number(request)

    def place_of(self, ident: str) -> str:
        """Return the line of the first call that requested an identity, "" if it is unknown."""
        return next((request.place for request in self.requests if request.ident == ident), "")

    def _find_place(self, request: Request) -> str:
        place, self._traced_calls.place = self._traced_calls.place, ""
        return _locate(caller_frame(2)) or place or self._traced_calls.map_places.get(request.name, "")


class TracedCalls(UnawaitedCalls):
    """The calls of a body, with the line of the call that started last: a task that is made of it has no other frame."""

    def __init__(self) -> None:
        super().__init__()
        self.place = ""
        self.map_places: dict[str, str] = {}

    def started(self, number: int) -> None:
        """Remove a call, because its coroutine starts, and record its line."""
        call = self._calls.get(number)
        if call is not None:
            _, verb, name, code, instruction = call
            self.place = _locate_instruction(code, instruction)
            if verb == "map":
                self.map_places[name] = self.place
        super().started(number)


def _locate(frame: FrameType | None) -> str:
    """Return the innermost line of the user's code between a request and the loop of the body."""
    frames: list[str] = []
    while frame is not None and frame.f_code is not _DRIVE and len(frames) < _MOST_FRAMES:
        frames.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return _locate_frames(tuple(reversed(frames)))


@functools.lru_cache(maxsize=10_000)
def _locate_frames(frames: tuple[str, ...]) -> str:
    return locate_full_path(list(frames))


def _locate_instruction(code: CodeType, instruction: int) -> str:
    lines = (line for begin, end, line in code.co_lines() if begin <= instruction < end)
    line = next(lines, None) or code.co_firstlineno
    return _locate_frames((f"{code.co_filename}:{line} {code.co_qualname}",))


def _read_input(request: Request) -> str:
    call: Any = request.call
    for name in ("input", "due_at", "until_at"):
        value = getattr(call, name, None)
        if value is not None:
            return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return ""
