"""The start of a run: builds its command from a definition, an input and an instant.

Role: the one place that applies options (queue, priority, partition, key, deadline, version, tag, title, tags, healthy, item)
to a start by anyone: a person (through the service, audited), the scheduler for a slot, a body for its child.
Pure: no store, no clock. Invariant: the key's hash is over the plain JSON, so that keys stay usable with a codec that encrypts
differently each time.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.options import parse_options
from mainspring.domain.definitions.start_options import CONTINUES, KEY_POLICIES, StartOptions
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError, OptionError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.ids import hash_parts
from mainspring.domain.incidents.incident_members import WHOLE_AUTOMATION, HealthRule
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH, is_key_size, make_printable_key
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.commands.runs import (
    ParentLink,
    RunKey,
    SlotLink,
    StarterLink,
    StartLimits,
    StartRequest,
    StartRun,
)

_MAX_TITLE = 500
_DEFAULT_OPTIONS = StartOptions()


def build_start_command(
    definition: Definition,
    data: bytes,
    *,
    run: str,
    now_at: int,
    trigger: str,
    options: StartOptions = _DEFAULT_OPTIONS,
    slot: SlotLink | None = None,
    parent: ParentLink | None = None,
    starter: StarterLink | None = None,
    sealing: Sealing = PLAIN_SEALING,
    here: bool = False,
    headers: bytes | None = None,
) -> StartRun:
    """Return the command that stages run `run` of a definition with the plain JSON `data` as its input.

    `now_at` (ms) replaces `{slot}` if no schedule started it. `trigger` = the readable cause. `headers` = sealed, or those of `options`.

    Raises:
        OptionError: a value of `options` cannot be used, or a template (key, partition, produces) has no value for a name.
    """
    chosen = _choose_routing(definition, options)
    arguments, at = _arguments(data), now_at if slot is None else slot.slot_at
    key = _fill_template(definition, "key", arguments, at) if options.key is None else _explicit_key(options)
    _check_products(definition, arguments, at)
    deadline_at, deadline_after_ms = _choose_deadline(definition, options.due_at, now_at)
    rule, item = _choose_health_rule(definition, arguments, at, options, slot, key)
    return StartRun(
        id=run,
        automation=definition.name,
        kind=str(definition.kind),
        version=definition.version,
        input=sealing.seal(data),
        codec=sealing.id,
        trigger=trigger,
        partition=_fill_template(definition, "partition", arguments, at),
        concurrency_key=_choose_concurrency_key(definition, arguments, at),
        limits=None if here or options.key_policy == CONTINUES else _build_rate_limits(definition, arguments, at),
        cancels_other_runs=parent is None and _cancels_other_runs(definition, options, slot),
        due_at=options.due_at,
        deadline_at=deadline_at,
        deadline_after_ms=deadline_after_ms,
        title=_seal_title(definition, arguments, at, options, sealing),
        tags=_seal_tags(definition, chosen.pop("tags"), sealing),
        headers=headers if options.headers is None else _seal_headers(options.headers, sealing),
        run_key=None if key is None else _run_key(key, data, options),
        retry=_encode_retry(options),
        request=None if options.request_id is None else StartRequest(options.request_id, hash_parts(data)),
        parent=parent,
        starter=starter,
        slot=slot,
        here=here,
        awaited=options.awaited,
        healthy=rule,
        item=item,
        rollout_key=_hash_rollout_key(definition, arguments, at, run, slot),
        is_candidate=definition.option("rollout"),
        **chosen,
    )


def _choose_deadline(definition: Definition, due_at: int | None, now_at: int) -> tuple[int | None, int | None]:
    """Return the deadline as an instant, or as a span from the start. A run with a later start has its whole deadline from then on."""
    span = definition.span("deadline")
    if span is None:
        return None, None
    deadline_ms = to_milliseconds(span)
    return (due_at + deadline_ms, None) if due_at is not None and due_at > now_at else (None, deadline_ms)


def build_start_limits(definition: Definition, data: bytes, now_at: int) -> StartLimits | None:
    """Return the limits that the definition has for direct starts, besides `rate`; None = none. Raises OptionError."""
    throttle, debounce = definition.option("throttle"), definition.span("debounce")
    if throttle is None and debounce is None:
        return None
    within = definition.span("debounce_within")
    return StartLimits(
        _fill_template(definition, "per", _arguments(data), now_at) or "",
        throttle=None if throttle is None else _read_rate(throttle),
        debounce_ms=None if debounce is None else to_milliseconds(debounce),
        within_ms=None if within is None else to_milliseconds(within),
    )


def _build_rate_limits(definition: Definition, arguments: dict[str, Any], at: int) -> StartLimits | None:
    """Return the limit that `rate` sets for starts of every kind; None = there is none."""
    rate = definition.option("rate")
    if rate is None:
        return None
    return StartLimits(_fill_template(definition, "per", arguments, at) or "", rate=_read_rate(rate))


def _read_rate(written: str) -> tuple[int, int]:
    rate = parse_rate(written)
    return rate.count, to_milliseconds(rate.per)


def _cancels_other_runs(definition: Definition, options: StartOptions, slot: SlotLink | None) -> bool:
    """Return whether the run cancels those of its key. Runs of a schedule do what its overlap= says, and a backfill has many at once."""
    is_new = options.key_policy != CONTINUES and not _is_of_schedule(slot)
    return is_new and bool(definition.option("cancel_in_progress"))


def _check_products(definition: Definition, arguments: dict[str, Any], at: int) -> None:
    for pattern in definition.option("produces"):
        _expand_template(definition, "produces", pattern, arguments, at)


def _choose_concurrency_key(definition: Definition, arguments: dict[str, Any], at: int) -> str | None:
    """Return the key with whose runs the run shares slots; None if its automation has no limit."""
    if definition.option("concurrency") is None:
        return None
    return _fill_template(definition, "per", arguments, at) or ""


def _seal_tags(definition: Definition, added: dict[str, str], sealing: Sealing) -> bytes | None:
    tags = {**definition.option("tags"), **added}
    return sealing.seal_inline(msgspec.json.encode(tags)) if tags else None


def _seal_headers(headers: Mapping[str, str], sealing: Sealing) -> bytes | None:
    from mainspring.domain.runs.run_headers import encode_headers  # noqa: PLC0415 - few starts have headers

    data = encode_headers(headers)
    return None if data is None else sealing.seal_inline(data)


def _seal_title(definition: Definition, arguments: Any, at: int, options: StartOptions, sealing: Sealing) -> str | None:
    """Return the run's title. A blank one counts as none: then the run is shown with its automation's name, which may change."""
    default = "" if definition.option("title") is None else definition.title_for(arguments, at)
    title = next((text for text in (options.title, default) if text and text.strip()), None)
    return None if title is None else sealing.seal_text(escape(title, _MAX_TITLE))


def _choose_health_rule(
    definition: Definition,
    arguments: dict[str, Any],
    at: int,
    options: StartOptions,
    slot: SlotLink | None,
    key: str | None,
) -> tuple[HealthRule, str | None]:
    """Return the rule by which a failure of this run becomes healthy again, and the run's item (None = the run itself)."""
    item = _fill_template(definition, "item", arguments, at)
    stated_rule = definition.option("healthy")
    if stated_rule is not None:
        rule = HealthRule(stated_rule)
    elif item is not None:
        rule = HealthRule.ITEM
    elif definition.kind is DefinitionKind.EXEC:  # a key names its item; without one each call does the same
        rule = HealthRule.AUTOMATION if key is None else HealthRule.ITEM
    elif _is_of_schedule(slot) or _is_as_scheduled(definition, arguments):
        rule = HealthRule.AUTOMATION
    else:
        rule = HealthRule.RATE if options.awaited and key is None else HealthRule.ITEM
    if rule is not HealthRule.ITEM:
        return rule, WHOLE_AUTOMATION
    return rule, item or make_printable_key(options.item or "") or key


def _is_of_schedule(slot: SlotLink | None) -> bool:
    """Return whether a schedule made this run. A run that follows another run continues that run's work."""
    return slot is not None and slot.schedule is not None


def _is_as_scheduled(definition: Definition, arguments: dict[str, Any]) -> bool:
    """Return whether a start has the arguments of the automation's own schedules: its defaults."""
    known = definition.parameters.get("properties", {})
    return bool(definition.schedules) and all(
        name in known and "default" in known[name] and known[name]["default"] == value
        for name, value in arguments.items()
    )


def _hash_rollout_key(
    definition: Definition, arguments: dict[str, Any], at: int, run: str, slot: SlotLink | None
) -> str | None:
    """Return the hash of the key that decides on the version; None = the store takes the run key, else the id of the run.

    Arguments without a value for the key refuse no start: any version is right for them.
    """
    template = definition.option("rollout_by")
    if template is None or _is_of_schedule(slot):
        return None
    from mainspring.domain.rollouts.rollout import PER_RUN, hash_rollout_key  # noqa: PLC0415 - few automations have it

    try:
        key = run if template == PER_RUN else definition.expand(template, arguments, at)
    except MainspringError:
        return None
    return hash_rollout_key(definition.name, key) if key else None


def _choose_routing(definition: Definition, options: StartOptions) -> dict[str, Any]:
    """Return queue, priority, tag and additional tags of this start."""
    _check_key_options(definition, options)
    given = {name: getattr(options, name) for name in ("queue", "priority", "tag", "tags")}
    chosen = {name: definition.option(name) for name in ("queue", "priority", "tag")} | {"tags": {}}
    return chosen | parse_options(definition.kind, given, f"the start of {definition.name!r}")


def _encode_retry(options: StartOptions) -> str | None:
    """Return the policy of the run as JSON. Raises OptionError: it has objects, which cannot be stored."""
    if options.retry is None:
        return None
    policy = Retry.parse(options.retry)
    if policy.wait is not None or policy.stop is not None:
        hint = "Use attempts=, initial= and max=: the policy is stored with the run."
        raise OptionError("retry= of a run cannot have objects as wait= or stop=", hint=hint)
    return msgspec.json.encode(policy.to_data()).decode()


def _check_key_options(definition: Definition, options: StartOptions) -> None:
    policy = options.key_policy
    if policy not in (*KEY_POLICIES, CONTINUES):
        names = ", ".join(f'"{name}"' for name in KEY_POLICIES)
        raise OptionError(f"key policy {policy!r} does not exist", hint=f"Choose one of {names}.")
    if policy not in ("reuse", CONTINUES) and options.key is None and definition.option("key") is None:
        hint = "Add a key: key= in Python and in the API, --key on the command line."
        raise OptionError(f"key_policy={policy!r} has no effect without a key", hint=hint)
    if options.join not in ("same", "any"):
        raise OptionError(f"join={options.join!r} is not valid", hint='Choose "same" or "any".')
    if options.join == "any" and policy != "one_live":
        hint = 'It lets a start with another input join the live run: add key_policy="one_live".'
        raise OptionError(f'join="any" has no effect on key_policy="{policy}"', hint=hint)
    if options.request_id is not None and not (is_plain_line(options.request_id) and is_key_size(options.request_id)):
        raise OptionError(
            f"request_id={escape(options.request_id, 80)!r} cannot be used",
            hint=f"Use printable characters in one line, at most {MAX_KEY_LENGTH}.",
        )


def _arguments(data: bytes) -> dict[str, Any]:
    """Return the arguments for templates."""
    decoded = msgspec.json.decode(data)
    return decoded if isinstance(decoded, dict) else {}


def _fill_template(definition: Definition, name: str, arguments: dict[str, Any], at: int) -> str | None:
    """Return the expanded template of an option; None if there is none or it is empty for these arguments."""
    template = definition.option(name)
    if template is None:
        return None
    text = _expand_template(definition, name, template, arguments, at)
    return _checked_key(text, name) if text else None


def _expand_template(definition: Definition, name: str, template: str, arguments: dict[str, Any], at: int) -> str:
    try:
        return definition.expand(template, arguments, at)
    except MainspringError as error:
        raise OptionError(
            f"option {name!r} of {definition.name!r}: {error.message}\nin {definition.where}", hint=error.hint
        ) from None


def _explicit_key(options: StartOptions) -> str:
    """Return the key that a program or a person chose. They can choose another one, so it is not escaped."""
    key = options.key or ""
    if options.key_policy != CONTINUES and not is_plain_line(key):
        raise OptionError(
            f"key {escape(key, 80)!r} has characters that cannot be printed",
            hint="Use printable characters in one line, for example a hash of the text.",
        )
    return _checked_key(key)


def check_partition(partition: str) -> str:
    """Return a partition key that a person or a program chose. Raises OptionError for one that cannot be used."""
    if not isinstance(partition, str):
        raise OptionError(f"partition={partition!r}: expected a text")
    return _checked_key(partition, "partition")


def _checked_key(key: str, option: str = "key") -> str:
    """Return a key that can be compared and displayed; unprintable text is escaped, so that different keys stay different."""
    printable = escape(key)
    if not is_key_size(printable):
        hint = f"Use a text of 1 to {MAX_KEY_LENGTH} characters and 2,000 bytes, for example a hash of the longer one."
        raise OptionError(f"{option} {escape(key, 80)!r} has {len(printable)} characters", hint=hint)
    return printable


def _run_key(key: str, data: bytes, options: StartOptions) -> RunKey:
    return RunKey(key, hash_parts(data), options.key_policy, options.key_expires_at, options.join == "any")
