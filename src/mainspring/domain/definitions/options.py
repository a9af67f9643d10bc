"""THE one table of options of every definition: name, group, reader, default, help, and which kinds take it.

The same names are in `ms.script`, `ms.task`, `ms.workflow`, `[script.NAME]` and `auto show`; a test compares them with
this table. Values come from Python or TOML alike and become the same canonical data (see `option_readers.py`).
Invariant: only these are options; an unknown name is an error that shows the nearest one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from mainspring.domain.errors import DefinitionError, OptionError, UnknownNameError
from mainspring.domain.values import option_readers

MAX_VERSION: Final = 2**31 - 1
"""The highest version number of an automation, as databases store it."""
MAX_CONCURRENCY: Final = 1_000
"""The greatest number of runs of one automation and key at once."""


class DefinitionKind(StrEnum):
    """The kind of a definition, or of what its options belong to."""

    SCRIPT = "script"
    """A command, run as one durable step."""
    TASK = "task"
    """A function, run as one durable step."""
    WORKFLOW = "workflow"
    """An async function that is driven through its steps."""
    EXEC = "exec"
    """A command wrapped by `mainspring exec`; only its caller starts it."""
    STEP = "step"
    """A function called by `run.step`: never an automation, but it takes options."""


class OptionGroup(StrEnum):
    """The question that an option answers; also the order in which options are shown."""

    WHO = "who"
    WHEN = "when"
    WHERE = "where"
    METHOD = "how"
    SUCCESS = "success"
    WATCH = "watch"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; `read` turns the written value into the canonical one or raises OptionError."""

    name: str
    group: OptionGroup
    read: option_readers.OptionReader
    default: Any = None
    help: str
    kinds: frozenset[DefinitionKind]


_AUTOMATION_KINDS = frozenset(
    {DefinitionKind.SCRIPT, DefinitionKind.TASK, DefinitionKind.WORKFLOW, DefinitionKind.EXEC}
)
_ALL_KINDS = _AUTOMATION_KINDS | {DefinitionKind.STEP}
_STARTED_KINDS = _AUTOMATION_KINDS - {DefinitionKind.EXEC}
_STEP_KIND = frozenset({DefinitionKind.STEP})
# (name, reader, default, one line of help, kinds), grouped.
_OptionRow = tuple[str, option_readers.OptionReader, Any, str, frozenset[DefinitionKind]]
_TABLE: dict[OptionGroup, tuple[_OptionRow, ...]] = {
    OptionGroup.WHO: (
        ("name", option_readers.read_name, None, "its name (default: the name of the function)", _ALL_KINDS),
        (
            "title",
            option_readers.read_template,
            None,
            "title of a run in lists; arguments and {slot} in braces",
            _AUTOMATION_KINDS,
        ),
        ("owner", option_readers.read_text, None, "person who is responsible for it", _AUTOMATION_KINDS),
        ("team", option_readers.read_text, None, "team that is responsible for it", _AUTOMATION_KINDS),
        ("tags", option_readers.read_tags, {}, "labels to find it by", _AUTOMATION_KINDS),
        (
            "tier",
            option_readers.choice_reader("page", "notify", "digest"),
            "notify",
            "severity of its incidents: page, notify or digest (default: notify)",
            _AUTOMATION_KINDS,
        ),
        ("runbook", option_readers.read_text, None, "page that says what to do if it fails", _AUTOMATION_KINDS),
        (
            "was",
            option_readers.read_names,
            [],
            "its former names: history, runs and monitors continue",
            _ALL_KINDS,
        ),
        (
            "gone",
            option_readers.read_step_names,
            [],
            "steps that its code no longer has: runs that saved them continue",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
    ),
    OptionGroup.WHEN: (
        ("cron", option_readers.read_crons, [], "start times as five or six cron fields", _AUTOMATION_KINDS),
        ("every", option_readers.read_span, None, "time between two starts", _AUTOMATION_KINDS),
        (
            "at",
            option_readers.read_clock_times,
            [],
            "time of day of its starts, or date and time of one start",
            _AUTOMATION_KINDS,
        ),
        (
            "tz",
            option_readers.read_zone,
            None,
            "time zone of cron, at and calendar (default: UTC)",
            _AUTOMATION_KINDS,
        ),
        ("calendar", option_readers.read_text, None, "calendar with the days on which it starts", _AUTOMATION_KINDS),
        (
            "jitter",
            option_readers.read_span_from_zero,
            None,
            "span over which its starts are spread",
            _AUTOMATION_KINDS,
        ),
        (
            "misfire",
            option_readers.read_misfire,
            "last",
            "missed slots that start later: none, last, all or all:N (default: last)",
            _AUTOMATION_KINDS,
        ),
        (
            "overlap",
            option_readers.choice_reader("skip", "queue", "replace", "allow"),
            "skip",
            "a slot during a run: skip, queue, replace or allow (default: skip)",
            _AUTOMATION_KINDS,
        ),
    ),
    OptionGroup.WHERE: (
        ("queue", option_readers.read_name, "default", "queue of its runs (default: default)", _ALL_KINDS),
        (
            "priority",
            option_readers.integer_reader(-1_000, 1_000),
            0,
            "runs with a higher number start first; waiting raises it",
            _AUTOMATION_KINDS,
        ),
        (
            "partition",
            option_readers.read_template,
            None,
            "runs of one partition run one after another",
            _AUTOMATION_KINDS,
        ),
        (
            "concurrency",
            option_readers.integer_reader(1, MAX_CONCURRENCY),
            None,
            "how many of its runs may run at once; with per, of each key",
            _STARTED_KINDS,
        ),
        (
            "per",
            option_readers.read_template,
            None,
            "the key of concurrency, rate, throttle and debounce, made of the arguments: {customer}",
            _STARTED_KINDS,
        ),
        (
            "cancel_in_progress",
            option_readers.read_switch,
            False,
            "a new run cancels the unfinished runs of its concurrency key",
            _STARTED_KINDS,
        ),
        (
            "rate",
            option_readers.read_rate,
            None,
            "how many of its runs are due in a span, such as 10/m; more runs wait",
            _STARTED_KINDS,
        ),
        (
            "throttle",
            option_readers.read_rate,
            None,
            "how often it may be started directly, such as 10/m; more starts are refused",
            _STARTED_KINDS,
        ),
        (
            "debounce",
            option_readers.read_span,
            None,
            "time that a direct start waits for a later one, which replaces its input",
            _STARTED_KINDS,
        ),
        (
            "debounce_within",
            option_readers.read_span,
            None,
            "the longest wait of a debounced run after its first start",
            _STARTED_KINDS,
        ),
        (
            "version",
            option_readers.integer_reader(1, MAX_VERSION),
            1,
            "version of the code that continues a run",
            _AUTOMATION_KINDS,
        ),
        (
            "rollout",
            option_readers.read_switch,
            False,
            "this version takes force only by `mainspring rollout start`",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
        (
            "rollout_by",
            option_readers.read_template,
            None,
            "during a rollout, runs of one key get the same version; run = each by itself (default: run key)",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
        (
            "tag",
            option_readers.read_tag,
            None,
            "only workers with this tag run it; also gpu & eu, gpu | tpu, !spot",
            _ALL_KINDS,
        ),
    ),
    OptionGroup.METHOD: (
        ("timeout", option_readers.read_span, None, "time limit of an attempt", _ALL_KINDS),
        (
            "heartbeat",
            option_readers.read_span,
            None,
            "longest time of an attempt without a sign of life; then it is over and retried",
            _ALL_KINDS,
        ),
        (
            "overlap_attempts",
            option_readers.read_switch,
            False,
            "the next attempt may begin while code that a time-out could not stop still runs",
            _ALL_KINDS - {DefinitionKind.EXEC},
        ),
        ("deadline", option_readers.read_span, None, "time limit of a run, waits included", _AUTOMATION_KINDS),
        ("retry", option_readers.read_retry, None, "number of attempts and the waits between them", _ALL_KINDS),
        ("key", option_readers.read_template, None, "key under which it counts once", _ALL_KINDS),
        (
            "delivery",
            option_readers.choice_reader("at_least_once", "at_most_once", "transactional"),
            "at_least_once",
            "at_least_once, at_most_once or transactional (default: at_least_once)",
            _ALL_KINDS,
        ),
        (
            "isolate",
            option_readers.choice_reader("thread", "process"),
            None,
            "place of a plain function: thread or process",
            _ALL_KINDS,
        ),
        (
            "on_failure",
            option_readers.choice_reader("keep", "undo"),
            "keep",
            "finished steps of a failed run: keep or undo (default: keep)",
            _AUTOMATION_KINDS,
        ),
        (
            "on_cancel",
            option_readers.choice_reader("keep", "undo"),
            "keep",
            "finished steps of a cancelled run: keep or undo (default: keep)",
            _AUTOMATION_KINDS,
        ),
        (
            "cleanup",
            option_readers.read_span,
            "10m",
            "time for the cleanup of its code after a cancel (default: 10m)",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
        (
            "on_deadline",
            option_readers.choice_reader("keep", "undo"),
            "keep",
            "finished steps of a run past its deadline: keep or undo (default: keep)",
            _AUTOMATION_KINDS,
        ),
        (
            "on_blocked",
            option_readers.choice_reader("hold", "pass"),
            "hold",
            "later runs of a partition while a run needs a person: hold or pass (default: hold)",
            _AUTOMATION_KINDS,
        ),
        ("undo", option_readers.read_function, None, "function that undoes the step", _STEP_KIND),
        (
            "secrets",
            option_readers.read_secret_names,
            None,
            "secrets that it may read, and no others; a script has them as variables",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
    ),
    OptionGroup.SUCCESS: (
        (
            "produces",
            option_readers.read_templates,
            [],
            "files that must exist, new and not empty, after success",
            _AUTOMATION_KINDS,
        ),
        (
            "expect",
            option_readers.read_schema,
            None,
            "JSON schema that the result must fit; of a script the JSON that it prints",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
    ),
    OptionGroup.WATCH: (
        (
            "silence",
            option_readers.read_span_or_off,
            None,
            "no success for this long opens an incident (default: from the schedule)",
            _AUTOMATION_KINDS,
        ),
        (
            "grace",
            option_readers.read_span_from_zero,
            None,
            "how late a success may be before that incident",
            _AUTOMATION_KINDS,
        ),
        ("slow", option_readers.read_span_or_off, None, "a run that takes longer opens an incident", _AUTOMATION_KINDS),
        (
            "fail_rate",
            option_readers.read_share_or_off,
            None,
            "an incident opens if this share of the runs fails, such as 0.2",
            _AUTOMATION_KINDS,
        ),
        (
            "healthy",
            option_readers.choice_reader("item", "automation", "rate"),
            None,
            "success that settles a failed run: of its item, or any (automation, rate) (default: by its trigger)",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
        (
            "item",
            option_readers.read_template,
            None,
            "subject of a run, in braces: a later success of the same item settles a failure",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
        (
            "backlog",
            option_readers.read_count_or_off,
            None,
            "number of waiting runs that opens an incident",
            _AUTOMATION_KINDS,
        ),
        (
            "stalled",
            option_readers.read_span_or_off,
            None,
            "an attempt that no time-out ends opens an incident after this long without a sign of life",
            _AUTOMATION_KINDS - {DefinitionKind.EXEC},
        ),
    ),
}

OPTIONS: dict[str, Option] = {
    name: Option(name=name, group=group, read=reader, default=default, help=text, kinds=kinds)
    for group, rows in _TABLE.items()
    for name, reader, default, text, kinds in rows
}


_STEP_READERS: dict[str, option_readers.OptionReader] = {
    "name": option_readers.read_step_name,
    "was": option_readers.read_step_names,
}
_STEP_OPTION_HINT = (
    "They are for one attempt of a step: @ms.step({0}=...) above its function, or run.options({0}=...).step(...)."
)
_USELESS_WITHOUT: Final = {
    "per": ("concurrency", "rate", "throttle", "debounce"),
    "cancel_in_progress": ("concurrency",),
    "debounce_within": ("debounce",),
}
"""Options that only change others; the names of those."""
_EXCLUDED_BY_RATE: Final = ("throttle", "debounce")
_OWN_PROCESS = "a command is always a process of its own"


def _find_conflict(kind: DefinitionKind, name: str, value: Any) -> tuple[str, str] | None:
    """Return why an option has no effect there, and what to do instead; None if it has."""
    if kind is DefinitionKind.WORKFLOW and name in ("timeout", "heartbeat"):
        return (
            "a workflow has no attempts of its own",
            f"deadline= limits the whole run. {_STEP_OPTION_HINT.format(name)}",
        )
    if kind is DefinitionKind.WORKFLOW and name in ("delivery", "isolate", "overlap_attempts"):
        return "the code of a workflow has no effects of its own", _STEP_OPTION_HINT.format(name)
    if kind is not DefinitionKind.WORKFLOW and name == "gone":
        return "only a workflow asks for steps by name", "Leave it out."
    if kind is not DefinitionKind.WORKFLOW and name == "cleanup":
        return "only the code of a workflow continues after a cancel", "Leave it out."
    if kind is DefinitionKind.SCRIPT and name in ("isolate", "overlap_attempts"):
        return _OWN_PROCESS, "Leave it out."
    if kind is DefinitionKind.SCRIPT and name == "delivery" and value == "transactional":
        return "a command cannot be part of a transaction of Mainspring", "Use at_least_once or at_most_once."
    return None


def is_option_effective(kind: DefinitionKind, name: str, value: Any) -> bool:
    """Whether a definition of this kind can obey the option with this value."""
    return kind in OPTIONS[name].kinds and _find_conflict(kind, name, value) is None


def list_options(kind: DefinitionKind) -> tuple[Option, ...]:
    """Return the options of this kind, in the order in which they are shown."""
    return tuple(option for option in OPTIONS.values() if kind in option.kinds)


def parse_options(kind: DefinitionKind, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the canonical data of written options; None means left out, and defaults are not filled in.

    Raises:
        UnknownNameError: a name is no option of this kind; shows the nearest.
        OptionError: a value cannot be used; names the option and `where` it is.
        DefinitionError: this kind cannot obey it.
    """
    known = {option.name: option for option in list_options(kind)}
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError(f"option of {where}:", name, known)
        if value is None:
            continue
        try:
            reader = _STEP_READERS.get(name) if kind is DefinitionKind.STEP else None
            reader = reader or known[name].read
            parsed[name] = reader(value)
        except (OptionError, UnknownNameError) as error:
            raise OptionError(f"option {name!r}: {error.message}\nin {where}", hint=error.hint) from None
        unusable = _find_conflict(kind, name, parsed[name])
        if unusable is not None:
            raise DefinitionError(
                f"option {name}={value!r} would change nothing: {unusable[0]}\nin {where}", hint=unusable[1]
            )
    return {name: parsed[name] for name in known if name in parsed}


def parse_definition_options(kind: DefinitionKind, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return all options of a definition as `parse_options` does.

    Raises:
        UnknownNameError, OptionError, DefinitionError: see `parse_options`; or one has no effect without another one.
    """
    parsed = parse_options(kind, values, where)
    for name, required in _USELESS_WITHOUT.items():
        if parsed.get(name) and not any(option in parsed for option in required):
            words = " or ".join(f"{option}=" for option in required)
            raise OptionError(
                f"option {name}={values[name]!r} has no effect without {words}\nin {where}", hint=f"Add {words}."
            )
    other = next((name for name in _EXCLUDED_BY_RATE if "rate" in parsed and name in parsed), None)
    if other is not None:
        raise OptionError(
            f"options rate={values['rate']!r} and {other}={values[other]!r} exclude each other\nin {where}",
            hint="With rate= more runs wait, with throttle= more starts are refused, with debounce= they become one run.",
        )
    return parsed
