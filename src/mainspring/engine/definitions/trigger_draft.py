"""A draft of a trigger, from a decorator or a TOML table, before the signature of its automation is known."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.triggers.flow_control import TEMPLATE_FIELDS, FlowControl
from mainspring.domain.triggers.header_template import normalize_template
from mainspring.domain.triggers.sources import load_sources
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.values.event import Event
from mainspring.domain.values.function_signature import Signature
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.integrations.webhooks.stored_headers import check_headers_are_stored
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook

EventFilter = Callable[[Event], Any]
FLOW_CONTROL_OPTIONS = ("by", "debounce", "throttle", "batch", "within", "dedup", "rate", "concurrency")
"""The options of flow control, for every kind of trigger except `runs`, which starts once by itself."""

_SOURCES = load_sources()
_PARSERS: Mapping[str, Callable[..., TriggerSource]] = {"webhook": parse_webhook, "queue": parse_broker_queue}
"""Of kinds whose options name an integration; those of all others are read by their class."""
TRIGGER_KINDS: Mapping[str, tuple[Callable[..., TriggerSource], tuple[str, ...], tuple[str, ...]]] = {
    kind: (_PARSERS.get(kind, source.parse), source.required_options, source.further_options)
    for kind, source in _SOURCES.items()
}
"""Kind -> parser of its options, required options, optional ones."""


class TriggerDraft(NamedTuple):
    """A trigger without the binding of events to parameters of its automation."""

    source: TriggerSource
    flow_control: FlowControl
    filter: EventFilter | None = None
    partition: str | None = None

    @property
    def kind(self) -> str:
        """The kind of its source."""
        return str(self.source.__struct_config__.tag)

    def complete(self, signature: Signature | None, base: str) -> Trigger:
        """Return the trigger of an automation with this signature (None for a command); folders are relative to `base`."""
        return Trigger(
            source=self.source.counted_from(base),
            pace=self.flow_control,
            filtered=self.filter is not None,
            partition=self.partition,
            reading=EventBinding.of(signature, Event, many=self.flow_control.needs_list),
        )


def build_trigger_draft(kind: str, options: Mapping[str, Any], filter: EventFilter | None = None) -> TriggerDraft:
    """Return the draft of a trigger from the options of its kind; None = not set.

    Raises:
        UnknownNameError: the kind has no such option; shows the nearest.
        OptionError: an option is missing, or its value cannot be used.
    """
    parse, needed, optional = TRIGGER_KINDS[kind]
    paced = FLOW_CONTROL_OPTIONS if _SOURCES[kind].has_flow_control else ()
    known = dict.fromkeys((*needed, *optional, *paced, *(("partition",) if paced else ())))
    for name in options:
        if name not in known:
            raise UnknownNameError(f"option of a trigger of kind {kind!r}:", name, known)
    given = {name: value for name, value in options.items() if value is not None}
    for name in needed:
        if name not in given:
            raise OptionError(f"a trigger of kind {kind!r} needs {name}", hint=f"Write {name}=...")
    try:
        source = parse(**{name: given[name] for name in (*needed, *optional) if name in given})
        flow_control = FlowControl.parse(**{name: given[name] for name in paced if name in given})
    except MainspringError:
        raise
    except Exception as error:
        # A value that no parser expects must not disable the other triggers of the file.
        raise OptionError(
            f"a trigger of kind {kind!r} cannot be created: {error}",
            hint="The type of one option is not accepted. The options of triggers: mainspring docs show triggers",
        ) from error
    partition = None if "partition" in optional else given.get("partition")
    if partition is not None:
        partition = normalize_template(partition, TEMPLATE_FIELDS, option="partition")
    if isinstance(source, Webhook):
        for option, template in (("by", flow_control.by), ("partition", partition)):
            if template is not None:
                check_headers_are_stored(source.verify, template, option=option)
    if "partition" in given and "concurrency" in given:
        raise OptionError(
            "partition and concurrency exclude each other: each decides which runs run one after another",
            hint="Keep partition, or concurrency with by.",
        )
    return TriggerDraft(source, flow_control, filter, partition)


def read_trigger_drafts(table: Mapping[str, Any]) -> list[TriggerDraft]:
    """Return the triggers of a script's TOML table: each kind is one table, or several.

    Raises:
        OptionError, UnknownNameError: a trigger cannot be used.
    """
    drafts: list[TriggerDraft] = []
    for kind in TRIGGER_KINDS:
        if kind not in table:
            continue
        several = table[kind] if isinstance(table[kind], list) else [table[kind]]
        for options in several:
            if not isinstance(options, Mapping):
                raise OptionError(
                    f"{kind} must be a table", hint=f"Write [script.NAME.{kind}] and its options below it."
                )
            drafts.append(build_trigger_draft(kind, _with_dashes(options)))
    return drafts


def _with_dashes(options: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).replace("-", "_"): value for name, value in options.items()}


def name_drafts(drafts: Iterable[TriggerDraft]) -> list[tuple[str, TriggerDraft]]:
    """Return each draft with the end of its name: its kind, with #2 for the second of a kind."""
    numbers: dict[str, int] = {}
    pairs: list[tuple[str, TriggerDraft]] = []
    for draft in drafts:
        number = numbers[draft.kind] = numbers.get(draft.kind, 0) + 1
        pairs.append((draft.kind if number == 1 else f"{draft.kind}#{number}", draft))
    return pairs
