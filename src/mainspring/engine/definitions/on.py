"""The `ms.on` decorators: they declare when an automation starts, and are stacked above or below `task` and `workflow`.

    @ms.on.cron("0 3 * * *", tz="Europe/Berlin")
    @ms.on.every("15m")
    @ms.on.event("orders.paid", where={"country": "DE"})
    @ms.task
    def sync() -> None: ...

Below the decorator of the automation, the function carries its starts until that decorator takes them;
starts that none took are found after loading, so that no start is lost silently.

Every trigger but `runs` takes the options of flow control: `by` (template of the key), `debounce`, `throttle`, `batch` with `within`,
`dedup`, `rate`, `concurrency` and `partition`. It also takes a `filter`: a function of the event that runs in a worker and returns whether
the event counts.
"""

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, Never, TypedDict, TypeVar, Unpack

from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import DefinitionError, MainspringError
from mainspring.domain.option_errors import reject_unknown_options
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.engine.definitions.automation import Automation, Step
from mainspring.engine.definitions.trigger_draft import TRIGGER_KINDS, EventFilter, TriggerDraft, build_trigger_draft

T = TypeVar("T")
_STARTS_ATTRIBUTE = "_mainspring_starts"


class FlowControlOptions(TypedDict, total=False):
    """The options of flow control; see FlowControl. `within` belongs to `batch` and `debounce`."""

    by: str | None
    debounce: SpanInput | None
    throttle: SpanInput | None
    batch: int | None
    dedup: SpanInput | None
    rate: str | None
    concurrency: int | None
    partition: str | None


class StartDeclarations(NamedTuple):
    """The starts of a function: schedules and triggers, in the order in which they are written."""

    schedules: list[Schedule]
    triggers: list[TriggerDraft]


def cron(expr: str, *, tz: str | None = None, **unknown: Never) -> Callable[[T], T]:
    """Start at the times of a cron expression, in UTC or in the zone `tz`.

    Raises:
        OptionError: the expression cannot be read or never fires.
        UnknownNameError: no such time zone, or no such option.
    """

    def make() -> dict[str, Any]:
        reject_unknown_options("ms.on.cron", cron, unknown)
        return _check_schedule({"cron": expr, "tz": tz})

    return _attach(make)


def every(span: SpanInput, *, offset: SpanInput | None = None, **unknown: Never) -> Callable[[T], T]:
    """Start once per span of elapsed time, on a grid anchored at the epoch plus `offset`.

    Raises:
        OptionError: the span is shorter than a second, or the offset is not shorter than the span.
        UnknownNameError: no such option.
    """

    def make() -> dict[str, Any]:
        reject_unknown_options("ms.on.every", every, unknown)
        return _check_schedule({"every": span, "offset": offset})

    return _attach(make)


def event(
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    filter: EventFilter | None = None,
    within: SpanInput | None = None,
    **pacing: Unpack[FlowControlOptions],
) -> Callable[[T], T]:
    """Start for each published event of this name whose data has the values of `where` (dotted paths).

    Raises:
        OptionError: an option cannot be used.
    """
    return _attach(
        lambda: build_trigger_draft("event", {"name": name, "where": where, "within": within, **pacing}, filter)
    )


def webhook(
    path: str,
    *,
    verify: VerifierOptions | str | None = None,
    key: str | None = None,
    respond: str | None = None,
    wait: SpanInput | None = None,
    max_body: str | int | None = None,
    filter: EventFilter | None = None,
    within: SpanInput | None = None,
    **pacing: Unpack[FlowControlOptions],
) -> Callable[[T], T]:
    """Start for each request to a path of the webhook listener that its verifier (`ms.verify.github("SECRET_NAME")` ...) lets pass.

    A delivery counts once by `key` (template over {headers.NAME}, {data.NAME} and {name}; default: the id that its sender gives, else the
    body's hash). `respond`: "run" (its id, as soon as it is stored), "result" (waits for it, `wait` at most) or "nothing".

    Raises:
        OptionError, UnknownNameError: an option cannot be used, or nothing says who may send.
    """
    options = {"path": path, "verify": verify, "key": key, "respond": respond, "wait": wait, "max_body": max_body}
    return _attach(lambda: build_trigger_draft("webhook", {**options, "within": within, **pacing}, filter))


def queue(
    url: str,
    *,
    group: str | None = None,
    prefetch: int | None = None,
    ack_wait: SpanInput | None = None,
    max_deliveries: int | None = None,
    key: str | None = None,
    body: str | None = None,
    filter: EventFilter | None = None,
    within: SpanInput | None = None,
    **pacing: Unpack[FlowControlOptions],
) -> Callable[[T], T]:
    """Start for each message of a broker's queue: nats://, amqp://, redis://, sqs:// or postgresql://.

    `key` and `partition` are templates over the message (id, subject, group, headers, body). The address names a password: `{secret:NAME}`.

    Raises:
        OptionError, UnknownNameError: the address or an option cannot be used.
    """
    options = {"url": url, "group": group, "prefetch": prefetch, "ack_wait": ack_wait, "max_deliveries": max_deliveries}
    return _attach(
        lambda: build_trigger_draft("queue", {**options, "key": key, "body": body, "within": within, **pacing}, filter)
    )


def files(
    folder: str,
    *,
    pattern: str | None = None,
    recursive: bool | None = None,
    settle: SpanInput | None = None,
    every: SpanInput | None = None,
    after_success: str | None = None,
    after_failure: str | None = None,
    max_size: str | int | None = None,
    ignore: Iterable[str] | None = None,
    filter: EventFilter | None = None,
    within: SpanInput | None = None,
    **pacing: Unpack[FlowControlOptions],
) -> Callable[[T], T]:
    """Start for each file that appears in a folder (counted from the declaring file's) or changes there, once it has settled.

    `after_success` and `after_failure`: "keep", a folder to move it to, or (success only) "delete".

    Raises:
        OptionError: an option cannot be used.
    """
    options = {"folder": folder, "pattern": pattern, "recursive": recursive, "settle": settle, "every": every}
    ends = {"after_success": after_success, "after_failure": after_failure, "max_size": max_size, "ignore": ignore}
    return _attach(lambda: build_trigger_draft("files", {**options, **ends, "within": within, **pacing}, filter))


def run(
    automation: str,
    *,
    state: str | Iterable[str] | None = None,
    filter: EventFilter | None = None,
    within: SpanInput | None = None,
    **pacing: Unpack[FlowControlOptions],
) -> Callable[[T], T]:
    """Start when a run of another automation ends as `state` says: succeeded (default), failed, cancelled, several of them, or "any".

    Raises:
        OptionError: an option cannot be used.
    """
    return _attach(
        lambda: build_trigger_draft(
            "run", {"automation": automation, "state": state, "within": within, **pacing}, filter
        )
    )


def runs(
    automations: Iterable[str],
    *,
    state: str | Iterable[str] | None = None,
    per: str = "slot",
    within: SpanInput | None = None,
    **unknown: Never,
) -> Callable[[T], T]:
    """Start once when a run of each of these ended well for one slot, or under one run key (`per="key"`).

    `within` = the time after the first success in which the others are expected. A later one is shown as late, and the start follows it.

    Raises:
        OptionError: an option cannot be used.
    """
    options = {"automations": automations, "state": state, "per": per, "within": within}
    return _attach(lambda: build_trigger_draft("runs", {**options, **unknown}))


if not TYPE_CHECKING:  # checkers know the functions above, and report any other name

    def __getattr__(kind: str) -> Callable[..., Callable[[T], T]]:
        """Return the decorator of a kind of trigger that has no function here: required options by place, all others by name."""
        if kind not in TRIGGER_KINDS:
            raise AttributeError(f"module 'mainspring.on' has no attribute {kind!r}")

        def start(*values: Any, filter: EventFilter | None = None, **options: Any) -> Callable[[T], T]:
            _, required, _ = TRIGGER_KINDS[kind]
            if len(values) > len(required):
                raise TypeError(f"{kind}() takes at most {len(required)} values without a name")
            named = dict(zip(required, values, strict=False))
            return _attach(lambda: build_trigger_draft(kind, {**named, **options}, filter))

        return start


def take_starts(fn: Any, name: str) -> StartDeclarations:
    """Return the starts that a function carries, in the order in which they are written, and remove them.

    Raises:
        MainspringError: one of them could not be used when it was written.
    """
    waiting = list(reversed(getattr(fn, "__dict__", {}).pop(_STARTS_ATTRIBUTE, [])))
    for error in waiting:
        if isinstance(error, MainspringError):
            raise error
    specs = [spec for spec in waiting if not isinstance(spec, TriggerDraft)]
    return StartDeclarations(
        [Schedule.parse(**spec, name=name) for spec in specs],
        [spec for spec in waiting if isinstance(spec, TriggerDraft)],
    )


def has_unclaimed_starts(value: Any) -> bool:
    """Return whether this is a function with starts that no decorator took."""
    return type(value) is FunctionType and bool(value.__dict__.get(_STARTS_ATTRIBUTE))


def _check_schedule(spec: dict[str, Any]) -> dict[str, Any]:
    Schedule.parse(**spec, name="any")
    return spec


def _attach(make: Callable[[], dict[str, Any] | TriggerDraft]) -> Callable[[T], T]:
    """Return a decorator that adds the start of `make` to an automation, or to a function that will become one.

    While files are loaded, an invalid start disables only its own automation.
    """
    from mainspring.engine.definitions.registry import current_registry  # noqa: PLC0415 - that module imports this one

    registry = current_registry()
    spec: dict[str, Any] | TriggerDraft | MainspringError
    try:
        spec = make()
    except MainspringError as error:
        if not registry.is_loading:
            raise
        spec = error

    def decorate(target: T) -> T:
        if isinstance(target, Automation):
            try:
                _add_start(target, spec)
            except MainspringError as error:
                if not registry.is_loading:
                    raise
                registry.withdraw(target, error)
        elif isinstance(target, Step) or not callable(target):
            raise DefinitionError(
                f"{target!r} cannot start by itself", hint="Only @task and @workflow can; a step is started by a run."
            )
        else:
            target.__dict__.setdefault(_STARTS_ATTRIBUTE, []).append(spec)
        return target

    return decorate


def _add_start(automation: Automation, spec: dict[str, Any] | TriggerDraft | MainspringError) -> None:
    if isinstance(spec, MainspringError):
        raise spec
    if isinstance(spec, TriggerDraft):
        automation.add_trigger(spec)
    else:
        automation.add_schedule(Schedule.parse(**spec, name=automation.name))
