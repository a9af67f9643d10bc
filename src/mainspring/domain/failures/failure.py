"""A failure as data: the parts of an exception that are saved, shown and compared.

Invariants: `Failure.of` never raises, whatever the exception's own methods do; all text is printable (escaped)
and bounded, so that a failure is always small and can always be saved; local variables are never in it, for
they hold secrets.
"""

import builtins
from collections import deque
from datetime import timedelta
from types import TracebackType
from typing import Any

import msgspec

from mainspring.domain.duration import MILLISECOND
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import FailureKind, Verdict, classify
from mainspring.domain.failures.error_location import locate_line
from mainspring.domain.failures.saved_error import RunFailed, SavedError, StepFailed
from mainspring.domain.text.escaping import escape

COMMAND_TYPES = frozenset({"mainspring.CommandFailed", "ChildDied"})
"""Types of failures of a command or child process: frames of Mainspring do not explain them."""
_MESSAGE_BYTES = 8192
_HEADLINE_LENGTH = 300
_HINT_LENGTH = 2048
_NAME_LENGTH = 200
_DATA_BYTES = 65_536
_MOST_FRAMES = 30
_DEEPEST_CAUSE = 5
_MOST_NOTES = 10
_MAX_LISTED_PARTS = 5
_COUNTED_PARTS = 1000
_PART_LENGTH = 300


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failure: the stored parts of an exception."""

    type: str
    """Qualified name of the exception's class, without "builtins."; an error of Mainspring is "mainspring.NAME"."""
    code: str
    """Stable snake_case word of the verdict."""
    message: str
    """Printable, at most 8 KiB; the class's name if the exception has no text."""
    kind: FailureKind = FailureKind.UNKNOWN
    """Whether trying again can help."""
    hint: str | None = None
    """How to fix it, if the exception has a hint."""
    data: Any = None
    """JSON value given by `Permanent(data=)`."""
    retry_after_ms: int | None = None
    """Trying again before this is useless."""
    not_sent: bool = False
    """It is proven that nothing left this machine."""
    frames: list[str] = []
    """Lines "file:line function", outermost first, the innermost 30."""
    cause: "Failure | None" = None
    """The failure it was raised from, at most five levels."""
    sealed: bytes | None = None
    """The whole failure, sealed by a codec: message, hint, data and cause are not outside of it then."""

    @property
    def place(self) -> str:
        """The innermost frame of the user's code, "jobs.py:6 in charge"; "" if there is none, as for a command."""
        return "" if self.type in COMMAND_TYPES else locate_line(self.frames)

    @property
    def headline(self) -> str:
        """Type, first line and place: "KeyError: 'b' (jobs.py:6 in charge)"."""
        return shorten_headline(self.headline_with(self.message.partition("\n")[0]), _HEADLINE_LENGTH)

    @property
    def full_text(self) -> str:
        """The headline, then the other lines of the message."""
        first, *rest = self.message.split("\n")
        return "\n".join([self.headline_with(first), *rest])

    def headline_with(self, words: str) -> str:
        """Return the headline with these words instead of the first line, however long."""
        name = short_type_name(self.type)
        if self.type in COMMAND_TYPES or (not self.frames and _is_own_type(self.type)):  # the words are complete
            front = ""
        elif words in ("", name, self.type):
            front, words = name, ""
        else:
            front = f"{name}: "
        place = self.place
        return f"{front}{words} ({place})" if place else f"{front}{words}"

    @classmethod
    def of(cls, exc: BaseException, verdict: Verdict) -> "Failure":
        """Return the failure of `exc`; never raises."""
        return _describe_exception(exc, verdict, _DEEPEST_CAUSE)


def _describe_exception(exc: BaseException, verdict: Verdict, depth: int) -> Failure:
    """Return the failure with at most `depth` levels of causes."""
    name = _type_name(exc)
    if issubclass(type(exc), SavedError):  # by type: an exception may raise when its class is read
        return _limit_causes(exc.failure, depth)  # type: ignore[attr-defined]
    try:
        hint, data = _read_hint(exc), _copy_data(exc)
        return Failure(
            type=name,
            code=escape(verdict.code, _NAME_LENGTH),
            message=_limit_text(_full_message(exc)) or name,
            kind=verdict.kind,
            hint=hint,
            data=data,
            retry_after_ms=_milliseconds(verdict.retry_after),
            not_sent=verdict.not_sent,
            frames=_read_frames(exc.__traceback__),
            cause=_read_cause(exc, depth),
        )
    except BaseException:  # noqa: BLE001 - properties of a foreign class; the failure itself must be stored
        return Failure(type=name, code="undescribable", message=name, kind=verdict.kind, not_sent=verdict.not_sent)


def shorten_headline(text: str, longest: int) -> str:
    """Return a headline in at most this many characters: its words are cut, and the place at its end stays."""
    if len(text) <= longest:
        return text
    _, mark, place = text.rpartition(" (")
    end = f"{mark}{place}" if mark and place.endswith(")") and len(place) < longest // 2 else ""
    return f"{text[: longest - len(end) - 1]}…{end}"


def _is_own_type(type: str) -> bool:
    """Whether Mainspring itself made the failure, of no exception: its types have no module and are not built in."""
    return type.startswith("mainspring.") or ("." not in type and not hasattr(builtins, type))


def short_type_name(type: str) -> str:
    """Return the type of a failure as code writes it: without its module."""
    return type.rpartition(".")[2]


def _type_name(exc: BaseException) -> str:
    """Return the class's qualified name; a class may lie about it, or break."""
    try:
        cls = type(exc)
        package, _, below = cls.__module__.partition(".")
        module = package if package == "mainspring" and below else cls.__module__  # ours move; stored types stay
        module = "" if module == "builtins" else f"{module}."
        return escape(f"{module}{cls.__qualname__}", _NAME_LENGTH)
    except BaseException:  # noqa: BLE001 - a metaclass may raise anything
        return "exception"


def _full_message(exc: BaseException) -> str:
    """Return the text of the exception, then its notes, then the parts of a group."""
    lines = [_exception_text(exc)]
    notes = getattr(exc, "__notes__", None)
    if isinstance(notes, list | tuple):
        lines += [_safe_text(note) for note in notes[:_MOST_NOTES]]
    if isinstance(exc, BaseExceptionGroup):
        lines += _group_lines(exc)
    return "\n".join(lines)


def _exception_text(exc: BaseException) -> str:
    """Return the words of an exception. Those of a failed step or run have no place: lines of code change, their cause does not."""
    if isinstance(exc, StepFailed | RunFailed):
        return exc.words
    return _safe_text(exc.message if isinstance(exc, MainspringError) else exc)


def _group_part_text(leaf: BaseException) -> str:
    """Return the words of one part of a group, with its hint."""
    if isinstance(leaf, StepFailed | RunFailed):
        return f"{leaf.words}\n{leaf.hint}" if leaf.hint else leaf.words
    return _safe_text(leaf)


def _safe_text(value: object) -> str:
    """Return `str(value)` as a plain str, or the reason why there is none."""
    try:
        return str.__getitem__(str(value), slice(None))
    except BaseException as error:  # noqa: BLE001 - __str__ of a foreign class may raise anything
        return f"(its text cannot be read: __str__ raised {type(error).__name__})"


def _group_lines(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Return one line for each of the first leaves of a group, and how many more there are."""
    leaves: list[BaseException] = []
    waiting: deque[BaseException] = deque([group])
    part_count = 0
    while waiting and part_count < _COUNTED_PARTS:
        part = waiting.popleft()
        part_count += 1
        if isinstance(part, BaseExceptionGroup):
            waiting.extend(part.exceptions[:_COUNTED_PARTS])
        else:
            leaves.append(part)
    lines = [f"- {_type_name(leaf)}: {_group_part_text(leaf)[:_PART_LENGTH]}" for leaf in leaves[:_MAX_LISTED_PARTS]]
    if len(leaves) > _MAX_LISTED_PARTS or waiting:
        lines.append(f"- and {len(leaves) - _MAX_LISTED_PARTS}{' or' if waiting else ''} more")
    return lines


def _limit_text(text: str) -> str:
    """Return the text printable and within the size limit of a message."""
    limit = _MESSAGE_BYTES
    printable = escape(text, limit)
    while len(printable.encode()) > _MESSAGE_BYTES:
        limit //= 2
        printable = escape(text, limit)
    return printable


def _read_hint(exc: BaseException) -> str | None:
    """Return the hint of an error of ours."""
    hint = exc.hint if isinstance(exc, MainspringError) else None
    return None if hint is None else escape(_safe_text(hint), _HINT_LENGTH)


def _copy_data(exc: BaseException) -> Any:
    """Return a copy of the data of an error of ours; it may have been changed since it was checked."""
    data = getattr(exc, "data", None) if isinstance(exc, MainspringError) else None
    if data is None:
        return None
    try:
        encoded = msgspec.json.encode(data)
    except Exception as error:  # noqa: BLE001 - data that cannot be saved is reported, the failure is stored
        return {"refused": escape(f"the data is not JSON: {_safe_text(error)}", _PART_LENGTH)}
    if len(encoded) > _DATA_BYTES:
        return {"refused": f"the data has {len(encoded)} bytes, more than {_DATA_BYTES}"}
    return msgspec.json.decode(encoded)


def _milliseconds(span: timedelta | None) -> int | None:
    """Return whole milliseconds, rounded up: an earlier try is useless."""
    return None if span is None else -(-span // MILLISECOND)


def _read_frames(traceback: TracebackType | None) -> list[str]:
    """Return the innermost frames, outermost first."""
    frames: deque[str] = deque(maxlen=_MOST_FRAMES)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        where = f"{code.co_filename}:{traceback.tb_lineno} {code.co_qualname}"
        frames.append(escape(where, _PART_LENGTH))
        traceback = traceback.tb_next
    return list(frames)


def _read_cause(exc: BaseException, depth: int) -> Failure | None:
    """Return the failure that the exception was raised from, as Python would show it."""
    if depth == 0:
        return None
    if isinstance(exc, StepFailed | RunFailed) and exc.failure is not None:
        return _limit_causes(exc.failure, depth)
    cause = exc.__cause__
    if cause is None and not exc.__suppress_context__:
        cause = exc.__context__
    return None if cause is None else _describe_exception(cause, classify(cause), depth - 1)


def _limit_causes(failure: Failure, depth: int) -> Failure:
    """Return the failure with its chain cut to `depth` levels, itself counted."""
    if failure.cause is None:
        return failure
    cause = _limit_causes(failure.cause, depth - 1) if depth > 1 else None
    return msgspec.structs.replace(failure, cause=cause)
