"""Types of the options in `domain/definitions/options.py` as keyword arguments, for editors and type checkers.

Invariant: the names are those of the table; a test compares them. Only the table decides which values are valid.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from mainspring.domain.duration import SpanInput
from mainspring.domain.failures.retry import Retry

Off = Literal[False, "off"]


class AutomationOptions(TypedDict, total=False):
    """The options of `script`, `task` and `workflow`; DESIGN describes each."""

    title: str
    owner: str
    team: str
    tags: Mapping[str, str] | Sequence[str] | str
    tier: Literal["page", "notify", "digest"]
    runbook: str
    was: str | Sequence[str]
    gone: str | Sequence[str]
    cron: str | Sequence[str]
    every: SpanInput
    at: str | Sequence[str]
    tz: str
    calendar: str
    jitter: SpanInput
    misfire: str
    overlap: Literal["skip", "queue", "replace", "allow"]
    queue: str
    priority: int
    partition: str
    version: int
    tag: str
    timeout: SpanInput
    deadline: SpanInput
    retry: Retry | int | Mapping[str, Any]
    key: str
    delivery: Literal["at_least_once", "at_most_once", "transactional"]
    isolate: Literal["thread", "process"]
    on_failure: Literal["keep", "undo"]
    on_cancel: Literal["keep", "undo"]
    on_deadline: Literal["keep", "undo"]
    on_blocked: Literal["hold", "pass"]
    produces: str | Sequence[str]
    expect: Mapping[str, Any]
    silence: SpanInput | Off
    grace: SpanInput
    slow: SpanInput | Off
    fail_rate: float | str | Off
    healthy: Literal["item", "automation", "rate"]
    item: str
    backlog: int | Off
    stalled: SpanInput | Off


class NamedOptions(AutomationOptions, total=False):
    """The options of `task` and `workflow`: the name may differ from the function's."""

    name: str


class CommandOptions(AutomationOptions, total=False):
    """The options of `script`: folder and environment of the command."""

    cwd: str
    env: Mapping[str, str]


class StepOptions(TypedDict, total=False):
    """The options of `step`; `run.options` has the same and more."""

    key: str
    timeout: SpanInput
    retry: Retry | int | Mapping[str, Any]
    undo: Callable[..., Any]
    name: str
    delivery: Literal["at_least_once", "at_most_once", "transactional"]
    isolate: Literal["thread", "process"]
    queue: str
    tag: str
    was: str | Sequence[str]
