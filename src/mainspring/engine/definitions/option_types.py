"""The options of `domain/definitions/options.py` as keyword arguments, so that editors and type checkers know them.

Invariant: the names are those of the table; a test compares them. What a value may be is decided by the table alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from mainspring.domain.duration import SpanInput
from mainspring.domain.failures.retry import Retry

Off = Literal[False, "off"]


class AutomationOptions(TypedDict, total=False):
    """What `script`, `task` and `workflow` take; see DESIGN's words for each."""

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
    """What `task` and `workflow` take: the name may differ from the function's."""

    name: str


class CommandOptions(AutomationOptions, total=False):
    """What `script` takes beside its name: where the command runs."""

    cwd: str
    env: Mapping[str, str]


class StepOptions(TypedDict, total=False):
    """What `step` takes; `run.options` takes the same and more."""

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
