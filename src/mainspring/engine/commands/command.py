"""A command to run, its end, and its environment: values only."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.resources.secret_variables import SECRET_VARIABLES, STORE_URL_VARIABLE, STORE_WITHHELD_VARIABLE

TIMED_OUT, NOT_EXECUTABLE, NOT_FOUND = 124, 126, 127  # exit codes as GNU timeout has them
OUTPUT_LOST = 74  # EX_IOERR of sysexits.h
_KEY_VARIABLE = "MAINSPRING_IDEMPOTENCY_KEY"
_OWN_VARIABLES = ("MAINSPRING_RUN_ID", "MAINSPRING_ATTEMPT", _KEY_VARIABLE, "MAINSPRING_SLOT", "MAINSPRING_HEADERS")


class CommandFailed(MainspringError):
    """Error: the command failed; `returncode` is its exit code, negative for the signal that ended it."""

    code = "command_failed"

    def __init__(self, message: str, returncode: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.returncode = returncode


class CommandSpec(msgspec.Struct, kw_only=True, frozen=True):
    """The command to run. `env` is the whole environment (see `build_environment`); `kill_after` = seconds from TERM to KILL.

    `timeout` = its longest duration; `heartbeat` = the longest time without output, if Mainspring reads its output.

    `has_stdin` lets the command read this process's stdin; `stdin` is the data that it reads instead. With `inherits_output` it writes
    to this process's stdout and stderr itself. `may_outlive_parent` = it continues if this process is killed.
    """

    words: list[str]
    cwd: str | None = None
    env: dict[str, str] | None = None
    timeout: timedelta | None = None
    heartbeat: timedelta | None = None
    kill_after: float = 5.0
    has_stdin: bool = False
    stdin: bytes | None = None
    pass_fds: tuple[int, ...] = ()
    inherits_output: bool = False
    may_outlive_parent: bool = False


class CommandEnd(msgspec.Struct, kw_only=True, frozen=True):
    """The end of a command: exit code (negative = by that signal), the end of its output as printable text, its duration.

    `printed` = bytes on its standard output. `lost` = the error that kept some of them from being forwarded, or None.
    `silent_since_us` = when it wrote its last output, if it was ended because it wrote none since, in microseconds after its start.
    `has_started` False = it is proven that the command itself never ran: it was not found, or a signal came first.
    """

    code: int
    timed_out: bool
    stopped: bool
    tail: str
    duration_us: int
    printed: int = 0
    lost: OSError | None = None
    silent_since_us: int | None = None
    has_started: bool = True


def build_environment(
    base: Mapping[str, str],
    additions: Mapping[str, str],
    *,
    run_id: str,
    attempt: int,
    key: str,
    slot_at: int | None = None,
    headers: bytes | None = None,
) -> dict[str, str]:
    """Return the environment of an attempt's command: `base` without withheld variables, then `additions`, then the attempt's variables.

    `MAINSPRING_SLOT` is the due time of the schedule's slot, in ISO 8601 with UTC; `MAINSPRING_HEADERS` = the headers of the run, as JSON.
    """
    environ = {name: value for name, value in SECRET_VARIABLES.without(base).items() if name not in _OWN_VARIABLES}
    environ |= additions
    if STORE_URL_VARIABLE in additions:
        environ.pop(STORE_WITHHELD_VARIABLE, None)
    environ |= {"MAINSPRING_RUN_ID": run_id, "MAINSPRING_ATTEMPT": str(attempt), _KEY_VARIABLE: key}
    if slot_at is not None:
        environ["MAINSPRING_SLOT"] = datetime.fromtimestamp(slot_at / 1000, UTC).isoformat().replace("+00:00", "Z")
    if headers is not None:
        environ["MAINSPRING_HEADERS"] = headers.decode("utf-8", "surrogatepass")
    return environ


def build_effect_environment(base: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the environment of a command that performs an effect: without withheld variables, with the effect's idempotency key."""
    return SECRET_VARIABLES.without(base) | {_KEY_VARIABLE: key}
