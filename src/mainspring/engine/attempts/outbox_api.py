"""The outbox API of a step: `ms.publish(name, data)` and `ms.send(queue, data)`, committed with its outcome or not at all.

These calls send nothing: they check, encode and record. If the step succeeds, its entries are part of the commit that saves
its outcome; an attempt that fails sends nothing. Each entry has an id that is the same on every resend.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.runs.outbox import (
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    MAX_EVENT_BYTES,
    OutboxEntry,
    PublishedEvent,
    QueuedMessage,
    check_event_name,
    check_message,
    entry_size,
    outbox_entry_id,
)
from mainspring.domain.values.codec import encode
from mainspring.domain.values.stored_file import refuse_files
from mainspring.engine.attempts.step_context import StepContext, current_step
from mainspring.integrations.brokers import check_queue_name

_NUMBER_LOCK = threading.Lock()


def publish(name: str, data: Any = None, *, key: str | None = None) -> str:
    """Publish an event when this step is committed; return its id. The same (name, key) counts once.

    It wakes the runs that wait for it and starts what listens to it, in the commit of the step's outcome. The runs that it starts have the
    headers of this run.

    Raises:
        NotInStepError: no step is running here.
        ValueRefusedError: the data cannot be saved, or the step sends too much.
        ArgumentError: the name or the key is empty, longer than 1,000 characters, or cannot be printed.
    """
    step = current_step("publish()")
    check_event_name(name, key)
    value_name = f"event {name}"
    body = refuse_files(encode(data, value_name=value_name, limit=min(step.payload_max, MAX_EVENT_BYTES)), value_name)
    return _record_outgoing(step, lambda known_as: PublishedEvent(known_as, name, body, key, step.headers))


def send(queue: str, data: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> str:
    """Send a message to a broker's queue once this step is committed; return its id. It is sent at least once.

    `queue` is "NAME/QUEUE" with NAME from `[brokers]`, or a whole address. `bytes` are sent unchanged, all else as JSON. The broker gets
    `key`, or the id, as the key under which the message counts once; it is the same on every resend. The message carries the headers of
    the run in its header `mainspring-headers`.

    Raises:
        NotInStepError: no step is running here.
        ValueRefusedError: data or headers cannot be saved, or the step sends too much.
        ArgumentError: the queue is no address, or holds a password; the key or a header is no plain text.
    """
    step = current_step("send()")
    headers_by_name = None if headers is None else dict(headers)
    check_queue_name(queue)
    check_message(queue, key, headers_by_name)
    if step.headers is not None:
        from mainspring.domain.runs.run_headers import make_message_headers  # noqa: PLC0415 - few runs have headers

        headers_by_name = make_message_headers(step.headers, headers_by_name or {})
    value_name = f"message to {queue}"
    body = refuse_files(encode(data, value_name=value_name, limit=step.payload_max), value_name)
    head = (
        encode(headers_by_name, value_name=f"headers of a message to {queue}", limit=step.payload_max)
        if headers_by_name
        else None
    )
    is_raw = isinstance(data, bytes | bytearray | memoryview)
    return _record_outgoing(step, lambda known_as: QueuedMessage(known_as, queue, body, is_raw, key, head))


def _record_outgoing(step: StepContext, make: Callable[[str], OutboxEntry]) -> str:
    with _NUMBER_LOCK:  # several threads of one step may send at the same time
        number = len(step.recorded) + 1
        if number > MAX_ENTRIES:
            raise ArgumentError(
                f"step {step.name!r} sends more than {MAX_ENTRIES:,} messages",
                hint="Send one message with many items, or split the work over more steps.",
            )
        outgoing = make(outbox_entry_id(step.key, number))
        size = entry_size(outgoing) + step.recorded_bytes
        if size > MAX_ENTRY_BYTES:
            raise ValueRefusedError(
                f"messages of step {step.name!r}",
                "$",
                f"{size:,} bytes of JSON in total, the limit is {MAX_ENTRY_BYTES:,}",
                hint="Save it elsewhere (a file, an object store, a table) and send references to it.",
            )
        step.channel.record(outgoing)
        step.recorded.append(outgoing)
        step.recorded_bytes = size
    return outgoing.id
