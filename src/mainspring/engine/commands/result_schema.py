"""The schema of a result (`expect=`), checked when a run would succeed.

A result that does not match fails the run permanently: the work is done, and a repetition may be unsafe.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mainspring.domain.errors import Permanent
from mainspring.domain.values.json_schema import SchemaMismatch, find_mismatch
from mainspring.resources.known_secrets import KNOWN_SECRETS

NOT_EXPECTED = "not_expected"
MAX_PRINTED_BYTES = 1024 * 1024
"""Largest standard output of a command that can be a result, in bytes."""
ResultCheck = Callable[[bytes], None]
"""Checks a saved result (JSON); raises ResultNotExpected."""


class ResultNotExpected(Permanent):
    """Error: the run succeeded, but its result is not what the definition expects."""

    code = NOT_EXPECTED


def build_result_check(schema: Mapping[str, Any] | None) -> ResultCheck | None:
    """Return the check of a definition's `expect`; None if it expects nothing."""
    return None if schema is None else lambda encoded: check_result(schema, encoded)


def check_result(schema: Mapping[str, Any], encoded: bytes) -> None:
    """Raise ResultNotExpected, with the path in the value, unless the result matches the schema."""
    mismatch = find_mismatch(schema, msgspec.json.decode(encoded))
    if mismatch is not None:
        raise ResultNotExpected(
            f"it ended without an error, but its result does not match expect=: {_mismatch_text(mismatch, encoded)}",
            hint="runs retry RUN --from-step STEP runs the step again. If the result is right, fix expect= in the "
            "definition.",
        )


def check_printed(schema: Mapping[str, Any], printed: bytes) -> None:
    """Raise ResultNotExpected unless the standard output of a command is one JSON value that matches the schema."""
    subject = "the command ended without an error, but its standard output is"
    hint = "With expect= its standard output must be one JSON value; print text for people on standard error."
    if len(printed) > MAX_PRINTED_BYTES:
        raise ResultNotExpected(f"{subject} longer than {MAX_PRINTED_BYTES} bytes", hint=hint)
    try:
        value = msgspec.json.decode(printed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultNotExpected(f"{subject} not JSON: {error}", hint=hint) from None
    mismatch = find_mismatch(schema, value)
    if mismatch is not None:
        raise ResultNotExpected(f"{subject} not as expect= requires: {_mismatch_text(mismatch, printed)}", hint=hint)


def _mismatch_text(mismatch: SchemaMismatch, encoded: bytes) -> str:
    """Return the text of a mismatch; without the value if it contains a secret, which a redactor would miss in a cut value."""
    text = encoded.decode()
    return str(mismatch) if KNOWN_SECRETS.redact(text) == text else str(mismatch).partition(", got ")[0]
