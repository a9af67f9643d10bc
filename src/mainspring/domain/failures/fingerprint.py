"""Fingerprints of failures with one cause: type, code, place and normal words of an error, and the short id that follows from them.

Another machine, line, attempt, run or time gives the same fingerprint. Invariant: never raises.

The place has no folder, because each machine has its own: two functions of one name in files of one name are one place. The fingerprint
of a failure whose words are sealed uses only the rest, so that it is the same with and without the codec: take it of the stored failure.
"""

import re
from hashlib import sha256

import msgspec

from mainspring.domain.failures.error_location import locate_function
from mainspring.domain.failures.error_normalizer import normalize_error
from mainspring.domain.failures.failure import COMMAND_TYPES, Failure

_LENGTH = 12
_FILE_MODULE = re.compile(r"mainspring_file_(\w+)_[0-9a-f]{12}(?=\.)")
_NAMES_ARE_THE_CAUSE = frozenset({"bug", "bad_query", "integrity"})
_COMMAND_END = re.compile(r"\b(exit code|signal) (-?[0-9]+)|\b(killed by \w+)")
_LAST_LINE = re.compile(r"Its last line(?: on stderr)?: (.*)", re.DOTALL)


class Fingerprint(msgspec.Struct, frozen=True):
    """The properties that failures of one cause share."""

    id: str
    """12 hexadecimal digits, made of the rest."""
    type: str
    code: str
    place: str
    """The innermost function of the user, "orders.py charge"; "" if there is none, as for a command."""
    message: str
    """Without the parts that differ each time; of a command its exit code or signal and the last line of its output."""


def fingerprint_of(failure: Failure) -> Fingerprint:
    """Return the fingerprint of a failure as it is stored."""
    # A file outside of packages is a module whose name contains its path.
    kind = _FILE_MODULE.sub(r"\1", failure.type)
    place = "" if failure.type in COMMAND_TYPES else locate_function(failure.frames)
    message = "" if failure.sealed is not None else _normalize_message(failure)
    text = f"{kind}\x1f{failure.code}\x1f{place}\x1f{message}"
    digest = sha256(text.encode("utf-8", "surrogatepass"))
    return Fingerprint(digest.hexdigest()[:_LENGTH], kind, failure.code, place, message)


def summarize_failure(failure: Failure) -> str:
    """Return the summary of a failure in one line; of a command with its last words."""
    first = failure.message.partition("\n")[0]
    last = _LAST_LINE.search(failure.hint or "") if failure.type in COMMAND_TYPES else None
    return first if last is None else f"{first}: {last[1].partition(chr(10))[0]}"


def _normalize_message(failure: Failure) -> str:
    """Return the normal words. In our own messages, which come without frames, quoted names are the subject."""
    if failure.type in COMMAND_TYPES:
        return _command_message(failure)
    names = not failure.frames or failure.code in _NAMES_ARE_THE_CAUSE or failure.type == "TypeError"
    text = failure.message
    if failure.type.endswith("ExceptionGroup"):  # its parts come in the order in which they failed
        first, *parts = text.split("\n")
        text = "\n".join([first, *sorted({normalize_error(part, names=names) for part in parts})])
    return normalize_error(text, names=names)


def _command_message(failure: Failure) -> str:
    """Return how a command or child ended, and its last words; those of one that was stopped may be anything."""
    ended = _COMMAND_END.search(failure.message)
    if ended is None:
        return normalize_error(failure.message.partition(" ")[2])
    last = _LAST_LINE.search(failure.hint or "")
    ending = ended[3] or f"{ended[1]} {ended[2]}"
    return f"{ending}: {normalize_error(last[1])}" if last is not None else ending
