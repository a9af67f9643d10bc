"""One delivery as it arrived: stored headers and body, its outcome, and the run."""

from typing import TYPE_CHECKING, Any

from mainspring.cli.json_output import format_json
from mainspring.domain.states import DeliveryState
from mainspring.insight.text import formatting
from mainspring.insight.triggers.delivery_view import decode_body, read_headers

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation
    from mainspring.store.trigger_views import DeliveryView

_MAX_TEXT_LENGTH = 4_000
_STATES_WITHOUT_RUN = (DeliveryState.FAILED, DeliveryState.FILTERED, DeliveryState.DROPPED)


def print_delivery(invocation: "Invocation", text: str) -> None:
    """Print the delivery with this id or start of an id. Raises NotFoundError, ConflictError."""
    from mainspring.store.read.triggers import delivery

    view = delivery(invocation.reader, text)
    body, data, headers = invocation.unseal(
        lambda unsealer: (unsealer.value(view.body), unsealer.value(view.data), unsealer.value(view.headers))
    )
    document = {
        **{name: getattr(view, name) for name in view.__struct_fields__},
        "body": None if body is None else decode_body(body),
        "data": None if data is None else decode_body(data),
        "headers": read_headers(headers),
        "tells_of": _read_event(invocation, view),
    }
    invocation.output.document(document, lambda: _print(invocation, view, document))


def _read_event(invocation: "Invocation", view: "DeliveryView") -> Any:
    """Return the event of a delivery that stores none itself: it refers to a published event, or to a run that ended."""
    from mainspring.triggers.delivery_rows import UnreadableDelivery, WaitingDelivery, read_events
    from mainspring.triggers.trigger_cache import TriggerCache

    if view.source is None:
        return None
    triggers = TriggerCache(invocation.reader)
    triggers.refresh()
    trigger = triggers.get(view.trigger)
    if trigger is None:
        return view.source
    row = WaitingDelivery(*(getattr(view, name) for name in WaitingDelivery._fields))
    (event,) = read_events(trigger, [row], invocation.reader, invocation.sealing)
    if isinstance(event, UnreadableDelivery):
        invocation.output.warn(event.why)
        return view.source
    return event or f"{view.source} (gone)"


def _print(invocation: "Invocation", view: "DeliveryView", document: dict[str, Any]) -> None:
    from mainspring.cli.triggers.show import DELIVERY_COLOURS

    output, now, zone = invocation.output, invocation.clock.now(), invocation.zone
    state = output.paint(view.state.value, DELIVERY_COLOURS[view.state], bold=True)
    output.line(f"{view.id}  {formatting.escape_line(view.trigger)}  {state}")
    fields = {
        "because": view.note,
        "run": view.run,
        "due": None if view.due_at is None else formatting.format_moment(view.due_at, now, zone),
        "sender": view.verified,
        "key": view.key,
        "name": view.name,
        "counts by": view.by_key,
        "repeats": view.replay_of,
        "again": f"its sender had sent it {formatting.format_count(view.redelivered, 'time')} before"
        if view.redelivered
        else None,
        "received": formatting.format_moment(view.received_at, now, zone),
        "changed": formatting.format_moment(view.changed_at, now, zone)
        if view.changed_at != view.received_at
        else None,
    }
    for name, value in fields.items():
        if value:
            output.line(f"  {name:<10}{formatting.escape_line(value)}")
    for name, value in document["headers"].items():
        output.line(f"  {formatting.escape_line(name)}: {formatting.escape_line(value, 200)}")
    for name in ("body", "data", "tells_of"):
        if document[name] is not None:
            output.line(output.paint(name.replace("_", " "), None, bold=True))
            _print_value(invocation, document[name])
    if view.run is not None:
        output.hint(f"see: mainspring runs show {view.run}")
    elif view.state in _STATES_WITHOUT_RUN:
        output.hint(f"replay it: mainspring triggers replay {view.id}")


def _print_value(invocation: "Invocation", value: Any) -> None:
    text = value if isinstance(value, str) else format_json(value)
    lines = formatting.escape_text(text[:_MAX_TEXT_LENGTH]).splitlines() or [""]
    for line in lines:
        invocation.output.line(f"  {line}")
    if len(text) > _MAX_TEXT_LENGTH:
        invocation.output.hint(f"  ... {len(text):,} characters; all of it: --json")
