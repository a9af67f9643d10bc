"""Intake of a dry run, for `triggers test`: what each kind of source would do with an event, by its own code. Nothing is stored."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainspring.cli.triggers.sample_event import SampleEvent
from mainspring.domain.errors import MainspringError
from mainspring.domain.triggers.event_sources import EventSource, JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest
from mainspring.domain.values.file import File, make_file_key
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.integrations.base.webhook_verifier import NO_SIGNATURE, ImmediateResponse
from mainspring.integrations.verifiers import find_verifier, verify_request
from mainspring.integrations.webhooks.webhook_delivery import ReadDelivery, read_webhook_request
from mainspring.triggers.start_from_event import decode_body

ReadSecretValues = Callable[[str], Sequence[str]]
"""Returns the values of a secret by its name; raises ConfigError."""


class SimulatedIntake(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an intake. `rejection` = why the event would be rejected; `answered` = it is answered and not stored.

    `sender` = a sentence about the sender. `data` and the fields after it are those of the event. `is_keyed` = `key` is the one under which
    it would count; else it stands for a key that exists only after the event.
    """

    sender: str | None = None
    rejection: str | None = None
    answered: str | None = None
    key: str = ""
    is_keyed: bool = False
    name: str = ""
    data: Any = None
    headers: dict[str, str] = {}
    partition: str | None = None


def simulate_intake(source: object, sample: SampleEvent, lines: ReadSecretValues, now: int) -> SimulatedIntake:
    """Return the result of this source's intake at the instant `now` (ms).

    Raises:
        ArgumentError: it is no event of this kind of source.
    """
    match source:
        case Webhook():
            return _simulate_request(source, sample, lines, now)
        case BrokerQueue():
            return _simulate_message(source, sample)
        case WatchedFolder():
            return _simulate_file(source, sample)
        case EventSource(name=name):
            data = sample.value("the event's data")
            rejection = None if source.matches(data) else f"its data does not match where=: {source.where}"
            return SimulatedIntake(key="test", name=name, data=data, rejection=rejection)
        case RunEndSource(automation=automation, states=states):
            end = _make_run_end(automation, states[0], sample)
            rejection = None if end["state"] in states else f"the trigger ignores runs that end as {end['state']}"
            return SimulatedIntake(key=end["run"], name=f"{automation}.{end['state']}", data=end, rejection=rejection)
        case JoinedRunsSource(automations=names, per=per):
            value = sample.value("the slot or key")
            runs = {name: f"r_{name}" for name in names}
            data = {per: now if per == "slot" else "test", "runs": runs} | (value if isinstance(value, dict) else {})
            return SimulatedIntake(key=str(data[per]), name="runs", data=data)
        case _:
            return SimulatedIntake(key="test", data=sample.value("the event"))


def _make_run_end(automation: str, state: str, sample: SampleEvent) -> dict[str, Any]:
    """Return the end of a run: the given value, if it looks like one; else the given value is the run's result."""
    value = sample.value("the end of a run")
    end = {"run": "r_test", "automation": automation, "state": state, "reason": None, "slot_at": None, "key": None}
    if isinstance(value, dict) and "state" in value and value.keys() <= {*end, "result"}:
        return end | {"result": None} | value
    return end | {"result": value}


def _simulate_request(webhook: Webhook, sample: SampleEvent, lines: ReadSecretValues, now: int) -> SimulatedIntake:
    sender, rejection = _check_sender(webhook, sample, lines, now)
    if rejection is not None:
        return SimulatedIntake(sender=sender, rejection=rejection)
    if webhook.max_body is not None and len(sample.body) > webhook.max_body:
        return SimulatedIntake(sender=sender, rejection=f"it has {len(sample.body):,} bytes, more than max_body (413)")
    headers = {"content-type": "application/json"} | sample.headers
    response = read_webhook_request(webhook, sample.body, headers)
    match response:
        case InvalidRequest(status=status, text=text, at=at):
            place = f", at {at}" if at else ""
            return SimulatedIntake(sender=sender, rejection=f"{text}{place} ({status})")
        case ImmediateResponse(body=body):
            body_text = escape_line(body.decode("utf-8", "replace"), 200)
            return SimulatedIntake(
                sender=sender, answered=f"it is a test of the endpoint, which is answered: {body_text}"
            )
        case ReadDelivery(delivery=delivery, data=data):
            return _make_accepted(delivery, data, sender)


def _check_sender(webhook: Webhook, sample: SampleEvent, lines: ReadSecretValues, now: int) -> tuple[str, str | None]:
    """Return a sentence about the sender, and why the event would be rejected."""
    options = webhook.verify
    verifier = find_verifier(options.kind)
    if not verifier.checks_sender:
        return "any sender may use it", None
    try:
        secrets = [value for name in options.secrets for value in lines(name)]
    except MainspringError as error:
        return f"not checked: {error.message}. {error.hint or ''}".rstrip(), None
    names = ", ".join(options.secrets)
    faults = [fault for value in secrets if (fault := verifier.explain_bad_secret(value)) is not None]
    if faults:
        return (
            f"not checked: {len(faults)} of {len(secrets)} values of the secret {names} cannot be used: {faults[0]}",
            None,
        )
    rejected = verify_request(options, sample.body, sample.headers, secrets, now)
    if rejected is None:
        return f"checked: genuine by {options.kind} with the secret {names}", None
    if rejected.code == NO_SIGNATURE:
        return f"not checked: this event is not signed ({rejected.text}); without it the sender gets 401", None
    return f"checked by {options.kind} with the secret {names}: {rejected.text}", f"{rejected.text} (401)"


def _simulate_message(queue: BrokerQueue, sample: SampleEvent) -> SimulatedIntake:
    message = QueueMessage(
        id=sample.headers.get("message-id", "test"),
        body=sample.body,
        headers=sample.headers,
        subject=sample.headers.get("subject", queue.detail),
        group=sample.headers.get("group", ""),
    )
    try:
        delivery = make_delivery(queue, message)
    except MainspringError as error:
        return SimulatedIntake(rejection=error.message)
    intake = _make_accepted(delivery, decode_body(delivery.json), None)
    return msgspec.structs.replace(intake, is_keyed=queue.key is not None or "message-id" in sample.headers)


def _simulate_file(files: WatchedFolder, sample: SampleEvent) -> SimulatedIntake:
    """Return the intake of a file; without `@` the event is JSON of the run's argument.

    A file elsewhere is treated as if it lay in the folder.
    """
    if sample.file is None:
        return SimulatedIntake(key="test", data=sample.value("the file"))
    # Without its dots, and without following links: both would give the same file another key.
    path, folder = Path(os.path.abspath(sample.file)), os.path.abspath(files.folder)  # noqa: PTH100
    below = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    status, digest = path.stat(), hashlib.sha256(sample.body).hexdigest()
    file = File.at(os.fsencode(path), size=status.st_size, sha256=digest, modified_ns=status.st_mtime_ns)
    rejection = None
    ignored = next((part for part in below.parts if files.ignores(part)), None)
    if ignored is not None:
        rejection = f"the trigger ignores files and folders of this name: {escape_line(ignored, 80)}"
    elif len(below.parts) > 1 and not files.recursive:
        rejection = "it is in a subfolder, which needs recursive=True"
    elif not files.matches(below.parts):
        rejection = f"{escape_line(below.as_posix(), 80)} does not match the pattern {files.pattern!r}"
    elif files.max_size is not None and status.st_size > files.max_size:
        rejection = f"it has {format_count(f'{status.st_size:,}', 'byte')}, more than max_size"
    key = make_file_key(below.as_posix(), digest)
    return SimulatedIntake(key=key, is_keyed=True, data=msgspec.to_builtins(file), rejection=rejection)


def _make_accepted(delivery: IncomingDelivery, data: Any, sender: str | None) -> SimulatedIntake:
    return SimulatedIntake(
        sender=sender,
        key=delivery.key,
        is_keyed=True,
        name=delivery.name,
        data=data,
        headers=delivery.headers,
        partition=delivery.partition,
    )
