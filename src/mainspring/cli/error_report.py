"""Error reports for people and programs: what is wrong, where, and the fix; with --json as one object."""

from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import exits
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import BusyError, MainspringError
from mainspring.domain.text.docs_command import ERRORS_TOPIC, format_docs_command

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation

_MAX_LINE_LENGTH, _MAX_SHORTENED_LENGTH = 600, 500
"""In characters."""


def report_error(error: Exception, invocation: "Invocation") -> int:
    """Report an error on stderr and return its exit code."""
    import traceback

    data, code = describe_error(error)
    output = invocation.output
    if output.is_json:
        from mainspring.cli.json_output import format_json

        output.warn(format_json(data))
        return code
    output.warn(f"error: {data['message']}")
    if data["next"]:
        output.warn(data["next"])
    if data["code"] == "unexpected":
        if invocation.flags.verbose:
            output.warn("".join(traceback.format_exception(error)).rstrip())
        else:
            output.warn("This is a bug of Mainspring. -v shows where.")
    return code


def describe_error(error: Exception) -> tuple[dict[str, Any], int]:
    """Return {code, message, next, retryable, docs} and the exit code of an error."""
    if isinstance(error, click.ClickException):
        message, _, next_step = error.format_message().partition("\n")
        hint = next_step or _usage_hint(error)
        return _make_document("usage", message, hint, retryable=False), error.exit_code
    if isinstance(error, MainspringError):
        retryable = exits.is_retryable(type(error))
        data = _make_document(error.code, error.message, error.hint, retryable=retryable)
        if isinstance(error, BusyError):
            data["retry_after_ms"] = to_milliseconds(error.retry_after)
        return data, exits.find_exit_code(error)
    return _make_document(
        "unexpected", f"{type(error).__name__}: {error}", None, retryable=False
    ), exits.find_exit_code(error)


def _usage_hint(error: click.ClickException) -> str | None:
    ctx = getattr(error, "ctx", None)
    return None if ctx is None else f"See: {ctx.command_path} --help"


def _shorten_lines(message: str) -> str:
    """Return a message with lines of readable length: parts that it repeats from the command line may have any length."""
    return "\n".join(
        line
        if len(line) <= _MAX_LINE_LENGTH
        else f"{line[:_MAX_SHORTENED_LENGTH]}…[+{len(line) - _MAX_SHORTENED_LENGTH:,} characters]"
        for line in message.split("\n")
    )


def _make_document(code: str, message: str, next_step: str | None, *, retryable: bool) -> dict[str, Any]:
    return {
        "code": code,
        "message": _shorten_lines(message),
        "next": next_step,
        "retryable": retryable,
        "docs": format_docs_command(ERRORS_TOPIC, code),
    }
