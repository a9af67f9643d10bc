"""What the door of each kind of source would make of an event, for `triggers test`: the same code as the doors', and nothing stored."""

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
from mainspring.domain.triggers.webhooks.verification import NO_SIGNATURE, explain_bad_secret, verify_request
from mainspring.domain.triggers.webhooks.verifier import UnsignedVerifier, verifier_kind
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.triggers.webhooks.webhook_body import RequestError
from mainspring.domain.triggers.webhooks.webhook_delivery import ImmediateResponse, ReadDelivery, read_webhook_request
from mainspring.domain.values.file import File, make_file_key
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.triggers.start_from_event import decode_body

ReadSecretValues = Callable[[str], Sequence[str]]
"""The values of a secret by its name; raises ConfigError."""


class SimulatedIntake(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an event at its door. `turned_away` = why it would not be taken in; `answered` = it is answered and nothing is stored.

    `sender` = what is said of who sent it. `data` and what follows are those of the event. `is_keyed` = `key` is the one under which it
    would count; else it only stands for one that is not there before the event happens.
    """

    sender: str | None = None
    turned_away: str | None = None
    answered: str | None = None
    key: str = ""
    is_keyed: bool = False
    name: str = ""
    data: Any = None
    headers: dict[str, str] = {}
    partition: str | None = None


def simulate_intake(source: object, sample: SampleEvent, lines: ReadSecretValues, now: int) -> SimulatedIntake:
    """Return what the door of this source would make of it at the instant `now` (ms).

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
            away = None if source.takes(data) else f"its data is not what where= wants: {source.where}"
            return SimulatedIntake(key="test", name=name, data=data, turned_away=away)
        case RunEndSource(automation=automation, states=states):
            end = _make_run_end(automation, states[0], sample)
            away = None if end["state"] in states else f"a run that ended {end['state']} is not listened for"
            return SimulatedIntake(key=end["run"], name=f"{automation}.{end['state']}", data=end, turned_away=away)
        case JoinedRunsSource(automations=names, per=per):
            value = sample.value("the slot or key")
            runs = {name: f"r_{name}" for name in names}
            data = {per: now if per == "slot" else "test", "runs": runs} | (value if isinstance(value, dict) else {})
            return SimulatedIntake(key=str(data[per]), name="runs", data=data)
        case _:
            return SimulatedIntake(key="test", data=sample.value("the event"))


def _make_run_end(automation: str, state: str, sample: SampleEvent) -> dict[str, Any]:
    """Return the end of a run: what was given, if it looks like one; else what was given is the run's result."""
    value = sample.value("the end of a run")
    end = {"run": "r_test", "automation": automation, "state": state, "reason": None, "slot_at": None, "key": None}
    if isinstance(value, dict) and "state" in value and value.keys() <= {*end, "result"}:
        return end | {"result": None} | value
    return end | {"result": value}


def _simulate_request(webhook: Webhook, sample: SampleEvent, lines: ReadSecretValues, now: int) -> SimulatedIntake:
    sender, away = _check_sender(webhook, sample, lines, now)
    if away is not None:
        return SimulatedIntake(sender=sender, turned_away=away)
    if webhook.max_body is not None and len(sample.body) > webhook.max_body:
        return SimulatedIntake(
            sender=sender, turned_away=f"it has {len(sample.body):,} bytes, more than max_body (413)"
        )
    headers = {"content-type": "application/json"} | sample.headers
    found = read_webhook_request(webhook, sample.body, headers)
    match found:
        case RequestError(status=status, text=text, at=at):
            where = f", at {at}" if at else ""
            return SimulatedIntake(sender=sender, turned_away=f"{text}{where} ({status})")
        case ImmediateResponse(body=body):
            said = escape_line(body.decode("utf-8", "replace"), 200)
            return SimulatedIntake(
                sender=sender, answered=f"it only asks whether somebody is there, and is answered: {said}"
            )
        case ReadDelivery(arrival=arrival, data=data):
            return _make_accepted(arrival, data, sender)


def _check_sender(webhook: Webhook, sample: SampleEvent, lines: ReadSecretValues, now: int) -> tuple[str, str | None]:
    """Return what is known of the sender, and why it would be turned away."""
    verifier = webhook.verify
    if isinstance(verifier, UnsignedVerifier):
        return "anybody may send to it", None
    kind = verifier_kind(verifier)
    try:
        secrets = [value for name in verifier.secrets for value in lines(name)]
    except MainspringError as error:
        return f"not checked: {error.message}. {error.hint or ''}".rstrip(), None
    names = ", ".join(verifier.secrets)
    faults = [fault for value in secrets if (fault := explain_bad_secret(verifier, value)) is not None]
    if faults:
        return (
            f"not checked: {len(faults)} of {len(secrets)} values of the secret {names} cannot be used: {faults[0]}",
            None,
        )
    rejected = verify_request(verifier, sample.body, sample.headers, secrets, now)
    if rejected is None:
        return f"checked: genuine by {kind} with the secret {names}", None
    if rejected.code == NO_SIGNATURE:
        return f"not checked: this event is not signed ({rejected.text}); without it the sender gets 401", None
    return f"checked by {kind} with the secret {names}: {rejected.text}", f"{rejected.text} (401)"


def _simulate_message(queue: BrokerQueue, sample: SampleEvent) -> SimulatedIntake:
    message = QueueMessage(
        id=sample.headers.get("message-id", "test"),
        body=sample.body,
        headers=sample.headers,
        subject=sample.headers.get("subject", queue.detail),
        group=sample.headers.get("group", ""),
    )
    try:
        arrival = make_delivery(queue, message)
    except MainspringError as error:
        return SimulatedIntake(turned_away=error.message)
    found = _make_accepted(arrival, decode_body(arrival.json), None)
    return msgspec.structs.replace(found, is_keyed=queue.key is not None or "message-id" in sample.headers)


def _simulate_file(files: WatchedFolder, sample: SampleEvent) -> SimulatedIntake:
    """Return what a file would be; without `@` the event is JSON of what a run is given.

    One that lies elsewhere is looked at as if it lay in the folder.
    """
    if sample.file is None:
        return SimulatedIntake(key="test", data=sample.value("the file"))
    # Without its dots, and without following links: both would make another key of the same file.
    path, folder = Path(os.path.abspath(sample.file)), os.path.abspath(files.folder)  # noqa: PTH100
    below = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    found, digest = path.stat(), hashlib.sha256(sample.body).hexdigest()
    file = File.at(os.fsencode(path), size=found.st_size, sha256=digest, modified_ns=found.st_mtime_ns)
    away = None
    ignored = next((part for part in below.parts if files.ignores(part)), None)
    if ignored is not None:
        away = f"files and folders of this name are not looked at: {escape_line(ignored, 80)}"
    elif len(below.parts) > 1 and not files.recursive:
        away = "it lies in a folder below, and those are looked through with recursive=True only"
    elif not files.matches(below.parts):
        away = f"{escape_line(below.as_posix(), 80)} is not what the pattern {files.pattern!r} wants"
    elif files.max_size is not None and found.st_size > files.max_size:
        away = f"it has {format_count(f'{found.st_size:,}', 'byte')}, more than max_size"
    key = make_file_key(below.as_posix(), digest)
    return SimulatedIntake(key=key, is_keyed=True, data=msgspec.to_builtins(file), turned_away=away)


def _make_accepted(arrival: IncomingDelivery, data: Any, sender: str | None) -> SimulatedIntake:
    return SimulatedIntake(
        sender=sender,
        key=arrival.key,
        is_keyed=True,
        name=arrival.name,
        data=data,
        headers=arrival.headers,
        partition=arrival.partition,
    )
