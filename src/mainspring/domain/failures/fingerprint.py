"""Which failures have one cause: type, code, place and normal words of an error, and the short id that they always give.

Another machine, line, attempt, run or time gives the same fingerprint. Invariant: never raises.

The place has no folder, for each machine has its own: two functions of one name in files of one name are one place. A failure
whose words are sealed is told apart by the rest alone, so that with and without the codec its fingerprint is the same:
take it of what is stored.
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
    """What failures of one cause share."""

    id: str
    """12 hexadecimal digits, made of the rest."""
    type: str
    code: str
    place: str
    """The innermost function that is the user's, "orders.py charge"; "" where there is none, as for a command."""
    message: str
    """Without what differs each time; of a command its exit code or signal and the last line of its output."""


def fingerprint_of(failure: Failure) -> Fingerprint:
    """Return the fingerprint of a failure as it is stored."""
    # A file outside of packages is a module whose name tells its path.
    kind = _FILE_MODULE.sub(r"\1", failure.type)
    place = "" if failure.type in COMMAND_TYPES else locate_function(failure.frames)
    message = "" if failure.sealed is not None else _normalize_message(failure)
    text = f"{kind}\x1f{failure.code}\x1f{place}\x1f{message}"
    digest = sha256(text.encode("utf-8", "surrogatepass"))
    return Fingerprint(digest.hexdigest()[:_LENGTH], kind, failure.code, place, message)


def summarize_failure(failure: Failure) -> str:
    """Return what a failure says in one line; of a command its last words too."""
    first = failure.message.partition("\n")[0]
    last = _LAST_LINE.search(failure.hint or "") if failure.type in COMMAND_TYPES else None
    return first if last is None else f"{first}: {last[1].partition(chr(10))[0]}"


def _normalize_message(failure: Failure) -> str:
    """Return the normal words. Of our own messages, which come without frames, quoted names are what they are about."""
    if failure.type in COMMAND_TYPES:
        return _command_message(failure)
    names = not failure.frames or failure.code in _NAMES_ARE_THE_CAUSE or failure.type == "TypeError"
    text = failure.message
    if failure.type.endswith("ExceptionGroup"):  # its parts come in the order in which they failed
        first, *parts = text.split("\n")
        text = "\n".join([first, *sorted({normalize_error(part, names=names) for part in parts})])
    return normalize_error(text, names=names)


def _command_message(failure: Failure) -> str:
    """Return how a command or child ended, and its last words; one that was stopped may have said anything."""
    ended = _COMMAND_END.search(failure.message)
    if ended is None:
        return normalize_error(failure.message.partition(" ")[2])
    last = _LAST_LINE.search(failure.hint or "")
    how = ended[3] or f"{ended[1]} {ended[2]}"
    return f"{how}: {normalize_error(last[1])}" if last is not None else how
