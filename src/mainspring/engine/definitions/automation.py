"""Automations and steps: a definition together with its live objects (function, retry, undo).

`Automation.definition` is completed when it is first read, not at decoration: only then are all classes of the
module known, so annotations may name classes that are defined below.
"""

import functools
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

from mainspring.domain.definitions.definition import Definition, build_schedules
from mainspring.domain.errors import DefinitionError, MainspringError, OutsideStepError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.values.arguments import make_arguments_schema
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.transaction import database_name
from mainspring.engine.definitions.calendars import find_calendar
from mainspring.engine.definitions.step_plan import StepPlan, read_limits
from mainspring.engine.definitions.trigger_draft import EventFilter, TriggerDraft, name_drafts

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Automation:
    """A named unit of work. `fn` is None for a command; `retry` is the live policy or None for the default."""

    error: MainspringError | None = None
    """Why its declaration cannot be used: it is then in no registry, but stays in its module so that the others load."""
    skipped = 0
    """Number of leading parameters that the engine provides."""

    def __init__(
        self,
        draft: Definition,
        fn: Callable[..., Any] | None = None,
        retry: Retry | None = None,
        triggers: Iterable[TriggerDraft] = (),
    ) -> None:
        self._draft = draft
        self._triggers = list(triggers)
        self._complete: Definition | None = None
        self.fn = fn
        self.retry = retry

    def __repr__(self) -> str:
        return f"<{self._draft.kind} {self.name} at {self.where}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self._draft.name

    @property
    def version(self) -> int:
        """The version of its code."""
        return self._draft.version

    @property
    def is_candidate(self) -> bool:
        """Whether this version takes force only by a rollout."""
        return bool(self._draft.option("rollout"))

    @property
    def was(self) -> list[str]:
        """Its former names."""
        return list(self._draft.option("was"))

    @property
    def where(self) -> str:
        """The place of its declaration, "file:line"."""
        return self._draft.where

    @functools.cached_property
    def signature(self) -> Signature | None:
        """The types of its arguments and result; None for a command."""
        return None if self.fn is None else read_signature(self.fn, self.skipped)

    @functools.cached_property
    def plan(self) -> StepPlan:
        """The plan of a task's step."""
        options = self._draft.options
        return StepPlan(
            **read_limits(options),
            retry=self.retry,
            delivery=options.get("delivery", "at_least_once"),
            isolate=options.get("isolate"),
            name=self.name,
        )

    @property
    def definition(self) -> Definition:
        """The complete definition: the part of it that is data.

        Raises:
            OptionError: a template names an argument that does not exist.
            DefinitionError: the annotations cannot be read, or it has a schedule and a parameter without default.
            MainspringError: its declaration cannot be used.
        """
        if self.error is not None:
            raise self.error
        if self._complete is None:
            schema = {} if self.signature is None else make_arguments_schema(self.signature)
            triggers = {end: draft.complete(self.signature, self._folder) for end, draft in name_drafts(self._triggers)}
            complete = msgspec.structs.replace(self._draft, parameters=schema, triggers=triggers)
            complete.check_templates()
            self._refuse_unstartable_schedule()
            self._refuse_two_orders()
            self._complete = complete
        return self._complete

    def _refuse_unstartable_schedule(self) -> None:
        """Refuse a schedule on an automation with a required argument: a schedule passes none."""
        needed = (
            [parameter.name for parameter in self.signature.parameters if parameter.is_required]
            if self.signature is not None
            else []
        )
        if needed and self._draft.schedules:
            raise DefinitionError(
                f"{self.name!r} has a schedule, but its parameter {needed[0]!r} has no default",
                hint=f"A schedule has no arguments: give {needed[0]!r} a default, or remove the schedule.",
            )

    def _refuse_two_orders(self) -> None:
        """Refuse a trigger with an order of runs if the automation has a partition."""
        ordered = next(
            (end for end, draft in name_drafts(self._triggers) if draft.partition or draft.flow_control.concurrency),
            None,
        )
        if ordered is not None and self._draft.option("partition") is not None:
            raise DefinitionError(
                f"{self.name!r} has a partition, and its trigger {ordered!r} has a partition or concurrency, too",
                hint="Keep only one: each decides which runs run one after another.",
            )

    def is_again(self, other: "Automation") -> bool:
        """Return whether `other` is the same declaration, read again, and not a second one of the same name."""
        if self.fn is None or other.fn is None:
            return self._draft == other._draft  # noqa: SLF001 - the same class
        return self.where == other.where and self.fn.__qualname__ == other.fn.__qualname__

    @property
    def is_typed_in(self) -> bool:
        """Whether a notebook or the interactive interpreter declared it, so that no file contains it."""
        file = self._draft.file
        return not file or file.startswith("<") or not os.path.exists(file)  # noqa: PTH110 - of text

    @property
    def _folder(self) -> str:
        """The folder of its file, the base of relative paths."""
        file = self._draft.file
        return os.path.dirname(os.path.abspath(file)) if file and not file.startswith("<") else os.getcwd()  # noqa: PTH100, PTH109, PTH120 - of text

    def filter_of(self, end: str) -> EventFilter | None:
        """Return the filter of the trigger with this end of its name, if any."""
        return next((draft.filter for known, draft in name_drafts(self._triggers) if known == end), None)

    def add_trigger(self, draft: TriggerDraft) -> None:
        """Add the trigger of a decorator above it at the front: triggers are numbered in the order in which they are written."""
        self._triggers.insert(0, draft)
        self._complete = None

    def drop_triggers(self, is_affected: Callable[[TriggerSource], bool]) -> None:
        """Remove the triggers with an affected source."""
        self._triggers = [draft for draft in self._triggers if not is_affected(draft.source)]
        self._complete = None

    def add_schedule(self, schedule: Schedule) -> None:
        """Add a schedule."""
        restricted = schedule.with_calendar(find_calendar(self._draft.option("calendar")), self._draft.option("tz"))
        limits = {"jitter": self._draft.option("jitter")}
        schedules = build_schedules(limits, self.name, [*self._draft.schedules, restricted])
        self._draft = msgspec.structs.replace(self._draft, schedules=schedules)
        self._complete = None


class Script(Automation):
    """A command that is started without arguments."""


class Task(Automation, Generic[P, R_co]):
    """An automation of one durable step; in a unit test call it like its function."""

    fn: Callable[P, R_co]

    def __init__(
        self, draft: Definition, fn: Callable[P, R_co], retry: Retry | None, triggers: Iterable[TriggerDraft] = ()
    ) -> None:
        super().__init__(draft, fn, retry, triggers)
        functools.update_wrapper(self, fn)
        self.skipped = 1 if self.plan.delivery == "transactional" else 0

    @property
    def definition(self) -> Definition:
        """Its definition. Raises as for any automation, and DefinitionError if the `tx` of a transactional task is missing."""
        if self.skipped:
            database_name(self.fn, f"task {self.name!r} at {self.where}")
        return super().definition

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function.

        Raises:
            OutsideStepError: called straight from a workflow's body.
        """
        if IN_BODY.get():
            raise OutsideStepError(self.name)
        return self.fn(*args, **kwargs)


class Workflow(Automation, Generic[P, R]):
    """An async function driven through its steps. `P` are its arguments without the run."""

    skipped = 1
    fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]

    def __init__(
        self,
        draft: Definition,
        fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
        retry: Retry | None,
        triggers: Iterable[TriggerDraft] = (),
    ) -> None:
        super().__init__(draft, fn, retry, triggers)
        functools.update_wrapper(self, fn)

    def __call__(self, run: Any, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the async function itself, with any object as the run."""
        return self.fn(run, *args, **kwargs)


class BrokenAutomation(Automation):
    """Replaces an automation whose declaration cannot be used in its module, so that the others load.

    Its function can still be called: only its options are invalid. Every start raises `error`.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Raises:
            OutsideStepError: called straight from a workflow's body.
        """
        if IN_BODY.get():
            raise OutsideStepError(self.name)
        if not callable(self.fn):
            raise self.error or DefinitionError(f"{self.name!r} has no function")
        return self.fn(*args, **kwargs)


class Step(Generic[P, R]):
    """A function with options for `run.step`; in a unit test call it like its function."""

    error: MainspringError | None = None
    """Why its declaration cannot be used: `run.step` raises it, and workflows that name the step are not loaded."""
    where = ""
    """The place of the declaration, if it cannot be used."""
    is_action = False

    def __init__(
        self,
        fn: Callable[P, R],
        options: Mapping[str, Any],
        retry: Retry | None = None,
        undo: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.options = dict(options)
        self.retry = retry
        self.undo = undo
        self.name = str(self.options.get("name") or getattr(fn, "__name__", type(fn).__name__))
        self.was: list[str] = list(self.options.get("was", ()))

    def __repr__(self) -> str:
        return f"<step {self.name} of {self.fn.__module__}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function.

        Raises:
            OutsideStepError: called straight from a workflow's body.
            MainspringError: its declaration cannot be used. Without its options, such as the ledger of an action, it is another function.
        """
        if IN_BODY.get():
            raise OutsideStepError(self.name)
        if self.error is not None:
            raise self.error
        return self.fn(*args, **kwargs)
