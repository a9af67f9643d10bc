"""Every error of ours, in one tree; imports nothing heavy, so that anything may raise them.

    MainspringError                 catch this for all of them
    |- Transient                    raised by user code: try this attempt again
    |  `- NotSent                   ... and it is proven that nothing left this machine
    |- Permanent                    raised by user code: trying again cannot help
    |- OptionError                  an option of a definition, command or call has a bad value
    |- UnknownNameError             no such name; shows the nearest known one
    |  `- UnknownOptionError        ... of a call's options
    |- ConfigError                  the configuration cannot be used
    |  |- SecretProviderError       a source of secrets does not answer, or refuses
    |  |- NoStoreError              there is no store at the expected place
    |  `- SealedError               a value is sealed by a codec that is missing here, or that cannot read or write it
    |     |- BlobMissingError       the blob of a large value is absent or damaged
    |     `- CodecUnavailableError  ... for a cause that passes: trying again can help
    |- FileRefError                 the bytes of an ms.FileRef cannot be read or put
    |- ValueRefusedError            a value cannot be saved or read; names the path inside it
    |- DefinitionError              an automation is declared in a way that cannot work
    |- ArgumentError                the arguments do not fit the automation or step
    |- NotFoundError                no such run, incident, lock, ...
    |- ConflictError                the operation does not fit the present state
    |  |- AlreadyExistsError        the name or id is taken
    |  `- KeyConflictError          the run key was used with another input
    |- BusyError                    the backlog is full; says when to try again
    |  `- Throttled                 it was started as often as it may be
    |- StoreError                   the store cannot do it
    |  |- StoreUnavailableError     away for now: trying again can help
    |  |- StoreTooNewError          written by a newer version of this program
    |  |- StoreFullError            the disk is full
    |  |- StoreReadOnlyError        it may be read only
    |  |  `- StoreForbiddenError    this user may not reach or read it
    |  |- StoreHeldError            another process holds it
    |  `- UnsafeSqliteError         this SQLite could damage the file
    |- FencedError                  this session was declared dead; outside StoreError, so that no
    |                               `except StoreError` lets a zombie continue
    |- OutsideStepError             a step was called straight from a workflow's body
    |- BodyError                    a body used a thread, socket or foreign await
    |- MiddlewareError              a middleware repeated or lost the call that it surrounds, or changed its run
    |- StepFailed                   raised in a body: a step or child ended without success
    `- RunFailed                    raised for the waiter of a run: it ended without success

The last two, which carry a failure, are defined in `failures.saved_error`.

A message's first line is the problem, the next ones its place, and the hint the fix. `code` is
stable: scripts and the API may compare it.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from mainspring.domain.json_validation import find_json_error

_MAX_LISTED_NAMES = 8
_PREFIX, _PROPOSED = 3, 2
"""The shortest part of a name; how many names that begin with it are proposed."""


class MainspringError(Exception):
    """Base of every error of ours; `str()` is the message, then the hint on a line of its own."""

    code: str = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class Transient(MainspringError):
    """Raise it in a step when trying again later can help.

    `retry_after` is a span ("30s", seconds, timedelta) before which trying again is useless. The text of a
    `Retry-After` header that holds a date is accepted too: it is stored in `retry_at` until the time is known.

    Raises:
        OptionError: `retry_after` is neither.
    """

    code = "transient"
    not_sent: ClassVar[bool] = False

    def __init__(self, reason: str, *, retry_after: str | int | float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after: timedelta | None = None
        self.retry_at: str | None = None
        if isinstance(retry_after, str) and "," in retry_after:
            self.retry_at = retry_after
        elif retry_after is not None:
            from mainspring.domain.duration import parse_duration  # noqa: PLC0415 - that module imports this one

            self.retry_after = parse_duration(retry_after)


class NotSent(Transient):
    """Raise it in a step when it is certain that no outside effect was started.

    Only this, and failures that prove the same (DNS, connection refused), let a step that is delivered at
    most once try again.
    """

    code = "not_sent"
    not_sent = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Permanent(MainspringError):
    """Raise it in a step when trying again cannot help; `data` (JSON) is saved with the failure.

    Raises:
        ValueRefusedError: `data` is not JSON: only None, bool, int, finite float, str, list and dict by str.
    """

    code = "permanent"

    def __init__(self, reason: str, *, hint: str | None = None, data: object = None) -> None:
        fault = find_json_error(data)
        if fault is not None:
            raise ValueRefusedError(f"data of Permanent({reason!r})", *fault)
        super().__init__(reason, hint=hint)
        self.reason = reason
        self.data = data


class OptionError(MainspringError):
    """An option has a value that cannot be used."""

    code = "bad_option"


_HINTS_WITHOUT_NAMES = {
    "automation": "No worker has loaded one here. Start a worker with the file that declares it: mainspring up -m FILE"
}


class UnknownNameError(MainspringError):
    """No `kind` is called `name`; the nearest of the `known` names is shown."""

    code = "unknown_name"

    def __init__(self, kind: str, name: str, known: Iterable[str] = ()) -> None:
        from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

        names = sorted(set(known))
        longer = [known_name for known_name in names if len(name) >= _PREFIX and known_name.startswith(name)]
        same = [known_name for known_name in names if known_name.casefold() == name.casefold()]
        near = same or longer[:_PROPOSED] or get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Known: {', '.join(names[:_MAX_LISTED_NAMES])}{', ...' if len(names) > _MAX_LISTED_NAMES else ''}."
        if near:
            hint = f"Did you mean {' or '.join(map(repr, near))}?"
        super().__init__(f"unknown {kind} {name!r}", hint=hint if names else _HINTS_WITHOUT_NAMES.get(kind))
        self.kind = kind
        self.name = name
        self.known = names
        self.nearest = near[0] if near else None


class UnknownOptionError(UnknownNameError, TypeError):
    """A call has no option of this name; it is a TypeError, too, as Python raises it."""

    code = "unknown_option"

    def __init__(self, call: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"option of {call}:", name, known)
        self.message = f"{call} has no option {name!r}"


class ConfigError(MainspringError):
    """The configuration cannot be used."""

    code = "bad_config"


class SecretProviderError(ConfigError):
    """A source of secrets cannot be read or written. `transient` = trying again can help."""

    code = "secret_provider"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class SealedError(ConfigError):
    """A value is sealed by a codec that is missing here, or that cannot read or write it."""

    code = "sealed"


class BlobMissingError(SealedError):
    """The blob of a large value is absent or damaged."""

    code = "blob_missing"


class CodecUnavailableError(SealedError):
    """The codec, or the place of large values, failed for a cause that passes: a key service that does not answer, a full disk."""

    code = "codec_unavailable"


class FileRefError(MainspringError):
    """The bytes of an `ms.FileRef` cannot be read or put: they are absent, damaged, too many, or not those of this store."""

    code = "file_ref"


class NoStoreError(ConfigError):
    """There is no store at the expected place: a query never creates one."""

    code = "no_store"


class ValueRefusedError(MainspringError):
    """A value, such as a result or an argument, cannot be saved or read: at `path` inside it, because of `reason`.

    `problem` = what is wrong with it, in place of "cannot be saved or read".
    """

    code = "value_refused"

    def __init__(
        self,
        value_name: str,
        path: str,
        reason: str,
        *,
        hint: str | None = None,
        problem: str = "cannot be saved or read",
    ) -> None:
        super().__init__(f"{value_name} {problem}: {reason}\nat {path}", hint=hint)
        self.value_name = value_name
        self.path = path
        self.reason = reason


class DefinitionError(MainspringError):
    """An automation is declared in a way that cannot work."""

    code = "bad_definition"


class ArgumentError(MainspringError):
    """The arguments do not fit the automation or step that is being started."""

    code = "bad_argument"


class NotFoundError(MainspringError):
    """Nothing has this id or name."""

    code = "not_found"


class ConflictError(MainspringError):
    """The operation does not fit the present state of its object."""

    code = "conflict"


class AlreadyExistsError(ConflictError):
    """The name or id is already taken."""

    code = "already_exists"


class KeyConflictError(ConflictError):
    """The run key was used before, with another input."""

    code = "key_conflict"


class BusyError(MainspringError):
    """The backlog is full; try again after `retry_after`."""

    code = "busy"

    def __init__(self, retry_after: timedelta, message: str = "the queue is full", *, hint: str | None = None) -> None:
        from mainspring.domain.duration import format_duration  # noqa: PLC0415 - that module imports this one

        super().__init__(message, hint=hint or f"Try again in {format_duration(retry_after)}.")
        self.retry_after = retry_after


class Throttled(BusyError):
    """The automation was started as often as its `throttle` allows; try again after `retry_after`."""

    code = "throttled"


class StoreError(MainspringError):
    """The store cannot do what was requested."""

    code = "store"


class StoreUnavailableError(StoreError):
    """The store is unavailable for now: trying again can help."""

    code = "store_unavailable"


class StoreTooNewError(StoreError):
    """The store was written by a newer version of this program."""

    code = "store_too_new"


class StoreFullError(StoreError):
    """There is no space left for the store to grow."""

    code = "store_full"


class StoreReadOnlyError(StoreError):
    """The store may be read, not written."""

    code = "store_read_only"


class StoreForbiddenError(StoreReadOnlyError):
    """This user may not reach or read the store."""

    code = "store_forbidden"


class StoreHeldError(StoreError):
    """Another process holds the store."""

    code = "store_held"


class UnsafeSqliteError(StoreError):
    """This SQLite library or file system could damage the store's file."""

    code = "unsafe_sqlite"


class FencedError(MainspringError):
    """This process's session was declared dead: it may write nothing more."""

    code = "fenced"


class OutsideStepError(MainspringError):
    """The step `name` was called straight from a workflow's body, where its result would not be saved."""

    code = "outside_step"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"step {name!r} was called straight from a workflow's body, so its result would not be saved",
            hint=f"Write: await run.step({name}, ...)",
        )
        self.name = name


class BodyError(MainspringError):
    """A workflow's body used a thread, a socket or a foreign await: only steps may."""

    code = "not_in_body"


class MiddlewareError(MainspringError):
    """A middleware called `proceed` twice, lost the result, or used `run.*`, a timer or a task around a run."""

    code = "middleware"
