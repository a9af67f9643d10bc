"""A flag, its rules, and the answer for one key. Pure: the same flag, key and attributes give the same answer everywhere."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec

SHARE_UNITS = 1_000_000
"""The share of all keys: it counts in millionths."""
_BUCKETS = 1 << 64
QUESTION_PREFIX = "flag:"
"""Start of the name of a question in a journal. The order of such questions does not matter."""
_MARK_DIGITS = 12


class FlagKind(StrEnum):
    """The type of a flag's values."""

    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    JSON = "json"


class FlagSide(StrEnum):
    """The side that a key got."""

    ON = "on"
    OFF = "off"
    DEFAULT = "default"
    """No flag answered: the default of the code counts."""


class FlagReason(StrEnum):
    """Why a key got its side."""

    KILLED = "killed"
    DENIED = "denied"
    ALLOWED = "allowed"
    ATTRIBUTE = "attribute"
    SHARE = "share"
    UNKNOWN = "unknown"
    """There is no such flag."""
    KIND_MISMATCH = "kind_mismatch"
    """The values of the flag are not of the type of the default in the code."""
    STORE_UNREACHABLE = "store_unreachable"
    """The store did not answer for too long."""
    PROVIDER = "provider"
    """A provider outside of Mainspring answered."""
    PROVIDER_FAILED = "provider_failed"


class FlagRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rules of a flag, in the order in which they are tried.

    `attributes` = the side is on if one of these has one of its values, compared as text. `share` = how many keys are on, in millionths.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = {}
    share: int = 0


class Flag(msgspec.Struct, frozen=True):
    """A flag as the store has it. Values are JSON; `off_value` None = the default of the code. Instants are ms UTC.

    `changed_at` = the last change of its answers: of values, rules or a kill. `revision` = the number of its last change; it rises over
    all flags.
    """

    name: str
    kind: FlagKind
    on_value: str
    off_value: str | None
    rules: FlagRules
    owner: str | None = None
    about: str | None = None
    expires_at: int | None = None
    killed_at: int | None = None
    created_at: int = 0
    changed_at: int = 0
    revision: int = 0

    @property
    def answering(self) -> tuple[object, ...]:
        """The fields that decide about answers."""
        return self.on_value, self.off_value, self.rules, self.killed_at

    @property
    def uniform_side(self) -> FlagSide | None:
        """The side that each key gets; None if it depends on the key."""
        rules = self.rules
        if self.killed_at is not None or (rules.share == 0 and not rules.allow and not rules.attributes):
            return FlagSide.OFF
        return FlagSide.ON if rules.share == SHARE_UNITS and not rules.deny else None


class FlagQuestion(msgspec.Struct, frozen=True):
    """A question of code: `default` = its value without an answer, as JSON."""

    flag: str
    key: str
    default: str
    attributes: Mapping[str, str] = {}


class FlagAnswer(msgspec.Struct, frozen=True, tag="flag_answer"):
    """The answer: its value as JSON, and where it comes from. `is_default` = the value is the default of the code."""

    value: str
    side: FlagSide
    reason: FlagReason
    is_default: bool = False


class FlagProviderError(Exception):
    """A provider outside of Mainspring has no answer; the message says why."""


def kind_of(value: object) -> FlagKind | None:
    """Return the kind of a value; None fits every kind."""
    if value is None:
        return None
    if isinstance(value, bool):
        return FlagKind.BOOLEAN
    if isinstance(value, str):
        return FlagKind.STRING
    return FlagKind.NUMBER if isinstance(value, int | float) else FlagKind.JSON


def hash_key(flag: str, key: str) -> bytes:
    """Return SHA-256 of the flag's name, a NUL byte and the key, in UTF-8."""
    return hashlib.sha256(f"{flag}\0{key}".encode()).digest()


def mark_question(question: FlagQuestion) -> str:
    """Return the name of a question in a journal: that of the flag, and the start of the hash of the key."""
    return f"{QUESTION_PREFIX}{question.flag}:{hash_key(question.flag, question.key).hex()[:_MARK_DIGITS]}"


def is_in_share(flag: str, key: str, share: int) -> bool:
    """Whether a key is among the first `share` millionths: its bucket is the first 8 bytes of its hash, big endian."""
    return int.from_bytes(hash_key(flag, key)[:8]) * SHARE_UNITS < share * _BUCKETS


def answer_question(flag: Flag | None, question: FlagQuestion) -> FlagAnswer:
    """Answer a question; None = there is no such flag."""
    if flag is None:
        return _default_answer(question, FlagSide.DEFAULT, FlagReason.UNKNOWN)
    if (
        flag.kind is not FlagKind.JSON
        and (kind := _kind_of_json(question.default)) is not None
        and kind is not flag.kind
    ):
        return _default_answer(question, FlagSide.DEFAULT, FlagReason.KIND_MISMATCH)
    side, reason = _choose_side(flag, question)
    value = flag.on_value if side is FlagSide.ON else flag.off_value
    return _default_answer(question, side, reason) if value is None else FlagAnswer(value, side, reason)


def repeat_answer(
    kind: FlagKind | None, value: str | None, side: FlagSide, reason: FlagReason, question: FlagQuestion
) -> FlagAnswer:
    """Return an answer on record for another question about the same flag and key; `value` None = the default of the code."""
    if value is None:
        return _default_answer(question, side, reason)
    if kind is not None and not _fits(kind, question):
        return _default_answer(question, FlagSide.DEFAULT, FlagReason.KIND_MISMATCH)
    return FlagAnswer(value, side, reason)


def _fits(kind: FlagKind, question: FlagQuestion) -> bool:
    """Whether values of this kind may come to code with such a default."""
    return kind is FlagKind.JSON or _kind_of_json(question.default) in (None, kind)


def _default_answer(question: FlagQuestion, side: FlagSide, reason: FlagReason) -> FlagAnswer:
    return FlagAnswer(question.default, side, reason, is_default=True)


def _choose_side(flag: Flag, question: FlagQuestion) -> tuple[FlagSide, FlagReason]:
    rules, key = flag.rules, question.key
    if flag.killed_at is not None:
        return FlagSide.OFF, FlagReason.KILLED
    if key in rules.deny:
        return FlagSide.OFF, FlagReason.DENIED
    if key in rules.allow:
        return FlagSide.ON, FlagReason.ALLOWED
    attributes = question.attributes
    if any(attributes.get(name) in values for name, values in rules.attributes.items()):
        return FlagSide.ON, FlagReason.ATTRIBUTE
    is_on = is_in_share(flag.name, key, rules.share)
    return (FlagSide.ON if is_on else FlagSide.OFF), FlagReason.SHARE


def _kind_of_json(text: str) -> FlagKind | None:
    """Return the kind of a value from the first character of its JSON."""
    first = text[:1]
    if first == "n":
        return None
    if first in "tf":
        return FlagKind.BOOLEAN
    return FlagKind.STRING if first == '"' else FlagKind.JSON if first in "{[" else FlagKind.NUMBER
