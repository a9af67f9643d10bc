"""The outbox of a step: messages for queues of brokers, and events; recorded by the step's code, committed with its outcome.

Invariant: the id of each entry is derived from the step's key and from its place among the entries of the attempt, so it is the same
however often the step runs, or the message is sent.
"""

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.ids import derive_id
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH, fits_key

MAX_ENTRIES = 1_000
"""The most entries of one step."""
MAX_ENTRY_BYTES = 16 * 1024 * 1024
"""The most bytes of JSON in all of them."""
MAX_EVENT_BYTES = 1024 * 1024
"""The most bytes of JSON in one event: the store reads events to compare them with what runs wait for."""
EVENT_RETENTION_MS = 7 * 86_400_000
"""How long an event is stored for later waits, unless stated otherwise."""

NOT_IN_HANDLER_NAMES = frozenset("#/[]%")
"""They have a meaning in identities of requests."""
_HEADER = lazy_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")


class QueuedMessage(msgspec.Struct, frozen=True, tag="message"):
    """A message for a queue. `body` is JSON; `is_raw` = it is bytes, as JSON writes them. `headers` is a JSON object of texts, or None.

    Both are sealed before they are stored.
    """

    id: str
    queue: str
    body: bytes
    is_raw: bool = False
    key: str | None = None
    headers: bytes | None = None


class PublishedEvent(msgspec.Struct, frozen=True, tag="publication"):
    """An event, for waits here, in the store. `data` is JSON; `headers` = those of the run as JSON, for the runs that it starts."""

    id: str
    name: str
    data: bytes
    key: str | None = None
    headers: bytes | None = None


OutboxEntry = QueuedMessage | PublishedEvent


def outbox_entry_id(step_key: str, number: int) -> str:
    """Return the id of the `number`th entry that the step of this key sends, from 1."""
    return derive_id("m", 0, step_key, str(number))


def entry_size(outgoing: OutboxEntry) -> int:
    """Return the bytes of JSON in it."""
    if isinstance(outgoing, PublishedEvent):
        return len(outgoing.data)
    return len(outgoing.body) + len(outgoing.headers or b"")


def check_event_name(name: str, key: str | None) -> None:
    """Do nothing if an event can have this name and key.

    Raises:
        ArgumentError: one is empty, longer than 1,000 characters, or cannot be printed.
    """
    for part, text in (("name", name), ("key", key)):
        if text is not None:
            _check_text(text, f"the {part} of an event")


def check_signal_name(name: str) -> None:
    """Do nothing if a signal can have this name.

    Raises:
        ArgumentError: it is empty, longer than 1,000 characters, or cannot be printed.
    """
    _check_text(name, "the name of a signal")


def check_query_name(name: str) -> None:
    """Do nothing if a query can have this name.

    Raises:
        ArgumentError: it is empty, longer than 1,000 characters, or cannot be printed.
    """
    _check_text(name, "the name of a query")


def check_update(name: str, request_id: str) -> None:
    """Do nothing if an update can have this name and this id of its request.

    Raises:
        ArgumentError: one is empty, longer than 1,000 characters, or cannot be printed.
    """
    _check_text(name, "the name of an update")
    if not NOT_IN_HANDLER_NAMES.isdisjoint(name):
        raise ArgumentError(
            f"{name!r} cannot be the name of an update: no handler has such a name", hint="Do not use any of # / [ ] %."
        )
    _check_text(request_id, "the id of an update")


def check_message(queue: str, key: str | None, headers: dict[str, str] | None) -> None:
    """Do nothing if such a message can be sent.

    Raises:
        ArgumentError: the key or a header is no plain text.
    """
    if key is not None:
        _check_text(key, "the key of a message")
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            raise ArgumentError(
                f"{escape(repr(name), 80)} is not a valid name of a header", hint="Use letters, digits and hyphens."
            )
        if not isinstance(value, str) or len(value) > MAX_KEY_LENGTH or (value and not is_plain_line(value)):
            raise ArgumentError(
                f"header {name!r} of a message to {queue} must be text in one line of at most {MAX_KEY_LENGTH} "
                "characters",
                hint="Put larger or structured values into the data.",
            )


def _check_text(text: str, purpose: str) -> None:
    if not isinstance(text, str) or not fits_key(text):
        raise ArgumentError(
            f"{escape(repr(text), 80)} cannot be {purpose}",
            hint=f"Use printable characters in one line, at most {MAX_KEY_LENGTH} and 2,000 bytes.",
        )
