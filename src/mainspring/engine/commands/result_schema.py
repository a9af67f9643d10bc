"""What `expect=` says of a result: looked at when the run would end well.

A result that does not fit fails the run for good: the work is done, and nobody knows that doing it again would be safe.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mainspring.domain.errors import Permanent
from mainspring.domain.values.json_schema import SchemaMismatch, find_mismatch
from mainspring.resources.known_secrets import KNOWN_SECRETS

NOT_EXPECTED = "not_expected"
MAX_PRINTED_BYTES = 1024 * 1024
"""So many bytes of a command's standard output can be a result."""
ResultCheck = Callable[[bytes], None]
"""Given a result as it is saved (JSON); raises ResultNotExpected."""


class ResultNotExpected(Permanent):
    """It ended well, but its result is not what the definition expects."""

    code = NOT_EXPECTED


def build_result_check(schema: Mapping[str, Any] | None) -> ResultCheck | None:
    """Return the check of a definition's `expect`; None where it expects nothing."""
    return None if schema is None else lambda encoded: check_result(schema, encoded)


def check_result(schema: Mapping[str, Any], encoded: bytes) -> None:
    """Raise ResultNotExpected, with the place inside the value, unless a result fits."""
    found = find_mismatch(schema, msgspec.json.decode(encoded))
    if found is not None:
        raise ResultNotExpected(
            f"it ended well, but its result is not what it should be: {_misfit_text(found, encoded)}",
            hint="runs retry RUN --from-step STEP makes it anew; if the result is right, mend expect= of the definition.",
        )


def check_printed(schema: Mapping[str, Any], printed: bytes) -> None:
    """Raise ResultNotExpected unless all that a command printed on its standard output is one JSON value that fits."""
    what = "the command ended well, but what it printed is"
    hint = "With expect= its standard output is one JSON value; what is meant for people goes to its standard error."
    if len(printed) > MAX_PRINTED_BYTES:
        raise ResultNotExpected(f"{what} longer than {MAX_PRINTED_BYTES} bytes", hint=hint)
    try:
        value = msgspec.json.decode(printed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultNotExpected(f"{what} no JSON: {error}", hint=hint) from None
    found = find_mismatch(schema, value)
    if found is not None:
        raise ResultNotExpected(f"{what} not what it should be: {_misfit_text(found, printed)}", hint=hint)


def _misfit_text(found: SchemaMismatch, encoded: bytes) -> str:
    """Return what does not fit; without the value if there is a secret in it: cut short it would not be known for one any more."""
    text = encoded.decode()
    return str(found) if KNOWN_SECRETS.redact(text) == text else str(found).partition(", got ")[0]
