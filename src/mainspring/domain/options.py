"""THE one table of options of every definition: name, group, reader, default, help, and which kinds take it.

The same names stand in `ms.script`, `ms.task`, `ms.workflow`, `[script.NAME]` and `auto show`; a test compares them with
this table. Values come from Python or TOML alike and leave as the same canonical data (see `option_values.py`).
Invariant: what is not here is no option: an unknown name is an error that shows the nearest one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from mainspring.domain import option_values as read
from mainspring.domain.errors import DefinitionError, OptionError, UnknownNameError


class Kind(StrEnum):
    """What a definition or its options belong to."""

    SCRIPT = "script"
    """A command, run as one durable step."""
    TASK = "task"
    """A function, run as one durable step."""
    WORKFLOW = "workflow"
    """An async function that is driven through its steps."""
    EXEC = "exec"
    """A command wrapped by `mainspring exec`; nobody schedules it but its caller."""
    STEP = "step"
    """A function called by `run.step`: never an automation, but it takes options."""


class Group(StrEnum):
    """The question that an option answers; also the order in which options are shown."""

    WHO = "who"
    WHEN = "when"
    WHERE = "where"
    HOW = "how"
    SUCCESS = "success"
    WATCH = "watch"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; `read` turns what was written into the canonical value or raises OptionError."""

    name: str
    group: Group
    read: read.Reader
    default: Any = None
    help: str
    kinds: frozenset[Kind]


_AUTOMATIONS = frozenset({Kind.SCRIPT, Kind.TASK, Kind.WORKFLOW, Kind.EXEC})
_ALL = _AUTOMATIONS | {Kind.STEP}
_STEP = frozenset({Kind.STEP})
# (name, reader, default, one line of help, kinds), grouped.
_Row = tuple[str, read.Reader, Any, str, frozenset[Kind]]
_TABLE: dict[Group, tuple[_Row, ...]] = {
    Group.WHO: (
        ("name", read.name, None, "the name it is known by (default: the function's)", _ALL),
        ("title", read.template, None, "how one run is called in lists, in braces: arguments and {slot}", _AUTOMATIONS),
        ("owner", read.text, None, "who answers for it", _AUTOMATIONS),
        ("team", read.text, None, "the team it belongs to", _AUTOMATIONS),
        ("tags", read.tags, {}, "words to find it by", _AUTOMATIONS),
        ("tier", read.choice("page", "notify", "digest"), "notify", "how loudly its incidents are told", _AUTOMATIONS),
        ("runbook", read.text, None, "the page that says what to do when it fails", _AUTOMATIONS),
        ("was", read.names, [], "its former names: history, runs and monitors are carried over", _ALL),
        (
            "gone",
            read.step_names,
            [],
            "names of steps that its code asks for no more: runs that have them continue",
            _AUTOMATIONS - {Kind.EXEC},
        ),
    ),
    Group.WHEN: (
        ("cron", read.crons, [], "when it starts, as five or six cron fields", _AUTOMATIONS),
        ("every", read.span, None, "the elapsed time between starts", _AUTOMATIONS),
        (
            "at",
            read.clock_times,
            [],
            "the time of day at which it starts, or the date and time of one start",
            _AUTOMATIONS,
        ),
        ("tz", read.zone, None, "the time zone of cron, at and calendar (default: UTC)", _AUTOMATIONS),
        ("calendar", read.text, None, "the calendar whose days it keeps to", _AUTOMATIONS),
        ("jitter", read.span_from_zero, None, "the span over which the starts of slots are spread", _AUTOMATIONS),
        ("misfire", read.misfire, "last", "which missed slots are made up for", _AUTOMATIONS),
        (
            "overlap",
            read.choice("skip", "queue", "replace", "allow"),
            "skip",
            "what a slot does while the last run goes on",
            _AUTOMATIONS,
        ),
    ),
    Group.WHERE: (
        ("queue", read.name, "default", "the queue its runs wait in", _ALL),
        ("priority", read.whole(-1_000, 1_000), 0, "higher goes first; waiting raises it", _AUTOMATIONS),
        ("partition", read.template, None, "runs of one partition go one after the other", _AUTOMATIONS),
        ("version", read.whole(1, 2**31 - 1), 1, "the version a run is continued by", _AUTOMATIONS),
        ("tag", read.name, None, "only workers with this tag take it", _ALL),
    ),
    Group.HOW: (
        ("timeout", read.span, None, "the longest one attempt may take", _ALL),
        ("deadline", read.span, None, "the longest a run may take, waiting included", _AUTOMATIONS),
        ("retry", read.retry, None, "how often and how far apart attempts are", _ALL),
        ("key", read.template, None, "the key under which it counts once", _ALL),
        (
            "delivery",
            read.choice("at_least_once", "at_most_once", "transactional"),
            "at_least_once",
            "what happens after a crash between effect and commit",
            _ALL,
        ),
        ("isolate", read.choice("thread", "process"), None, "where a plain function runs", _ALL),
        ("on_failure", read.choice("keep", "undo"), "keep", "what a failed run does with finished steps", _AUTOMATIONS),
        (
            "on_cancel",
            read.choice("keep", "undo"),
            "keep",
            "what a cancelled run does with finished steps",
            _AUTOMATIONS,
        ),
        (
            "on_deadline",
            read.choice("keep", "undo"),
            "keep",
            "what a run past its deadline does with them",
            _AUTOMATIONS,
        ),
        ("on_blocked", read.choice("hold", "pass"), "hold", "whether a stuck run holds its partition", _AUTOMATIONS),
        ("undo", read.function, None, "the function that takes the step back", _STEP),
    ),
    Group.SUCCESS: (
        ("produces", read.templates, [], "what must be there, new and not empty, after success", _AUTOMATIONS),
        (
            "expect",
            read.schema,
            None,
            "the JSON schema that the result must fit; of a script the JSON that it prints",
            _AUTOMATIONS - {Kind.EXEC},
        ),
    ),
    Group.WATCH: (
        (
            "silence",
            read.span_or_off,
            None,
            "no success for this long is an incident (default: from the schedule)",
            _AUTOMATIONS,
        ),
        ("grace", read.span_from_zero, None, "how late a success may be before that", _AUTOMATIONS),
        ("slow", read.span_or_off, None, "a run that takes longer is reported", _AUTOMATIONS),
        ("fail_rate", read.share_or_off, None, "the share of failed runs that is an incident", _AUTOMATIONS),
        (
            "healthy",
            read.choice("item", "automation", "rate"),
            None,
            "what settles a failed run: a success of its item, or the next one (default: by how it starts)",
            _AUTOMATIONS - {Kind.EXEC},
        ),
        (
            "item",
            read.template,
            None,
            "what a run is about, in braces: a later success of the same item settles its failure",
            _AUTOMATIONS - {Kind.EXEC},
        ),
        ("backlog", read.whole_or_off, None, "the number of waiting runs that is an incident", _AUTOMATIONS),
        (
            "stalled",
            read.span_or_off,
            None,
            "an attempt that no timeout ends and that gives no sign of life for this long is an incident",
            _AUTOMATIONS - {Kind.EXEC},
        ),
    ),
}

OPTIONS: dict[str, Option] = {
    name: Option(name=name, group=group, read=reader, default=default, help=text, kinds=kinds)
    for group, rows in _TABLE.items()
    for name, reader, default, text, kinds in rows
}


_READERS_OF_STEP: dict[str, read.Reader] = {"name": read.step_name, "was": read.step_names}
_OF_STEPS = (
    "They are for one attempt of a step: @ms.step({0}=...) above its function, or run.options({0}=...).step(...)."
)
_OWN_PROCESS = "a command is always a process of its own"


def _why_not(kind: Kind, name: str, value: Any) -> tuple[str, str] | None:
    """Return why an option cannot be in force there, and what to do instead; None if it can."""
    if kind is Kind.WORKFLOW and name == "timeout":
        return "a workflow has no attempts of its own", f"deadline= limits the whole run. {_OF_STEPS.format(name)}"
    if kind is Kind.WORKFLOW and name in ("delivery", "isolate"):
        return "the code of a workflow has no effects of its own", _OF_STEPS.format(name)
    if kind is not Kind.WORKFLOW and name == "gone":
        return "only a workflow asks for steps by name", "Leave it out."
    if kind is Kind.SCRIPT and name == "isolate":
        return _OWN_PROCESS, "Leave it out."
    if kind is Kind.SCRIPT and name == "delivery" and value == "transactional":
        return "a command cannot take part in a transaction of ours", "Use at_least_once or at_most_once."
    return None


def is_in_force(kind: Kind, name: str, value: Any) -> bool:
    """Whether a definition of this kind can obey the option with this value."""
    return kind in OPTIONS[name].kinds and _why_not(kind, name, value) is None


def options_of(kind: Kind) -> tuple[Option, ...]:
    """Return the options that this kind takes, in the order in which they are shown."""
    return tuple(option for option in OPTIONS.values() if kind in option.kinds)


def parse_options(kind: Kind, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the canonical data of what was written; None means left out, and defaults are not filled in.

    Raises:
        UnknownNameError: a name is no option of this kind; shows the nearest.
        OptionError: a value cannot be used; says which option and `where` it stands.
        DefinitionError: this kind cannot obey it.
    """
    known = {option.name: option for option in options_of(kind)}
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError(f"option of {where}:", name, known)
        if value is None:
            continue
        try:
            reader = _READERS_OF_STEP.get(name) if kind is Kind.STEP else None
            reader = reader or known[name].read
            parsed[name] = reader(value)
        except (OptionError, UnknownNameError) as error:
            raise OptionError(f"option {name!r}: {error.message}\nin {where}", hint=error.hint) from None
        unusable = _why_not(kind, name, parsed[name])
        if unusable is not None:
            raise DefinitionError(
                f"option {name}={value!r} would change nothing: {unusable[0]}\nin {where}", hint=unusable[1]
            )
    return {name: parsed[name] for name in known if name in parsed}
