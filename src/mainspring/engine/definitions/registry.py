"""The registry: the automations of this process by name, and the problems that disabled others.

A declaration adds its automation to the current registry: that of the enclosing `with`, otherwise that of the process.
Invariant: one name and version, one automation; at most one version of a name is no candidate (`rollout=True`). While
files are loaded a second one becomes a problem and the first stays; elsewhere it is an error. A second declaration at the
same place (a module loaded twice) replaces the first.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import DefinitionError, MainspringError, UnknownNameError
from mainspring.domain.option_errors import collect_setting_errors
from mainspring.engine.attempts.context_flags import IMPORTING_FOR_RUN
from mainspring.engine.definitions.automation import Automation, Step
from mainspring.engine.definitions.automation_graph import drop_impossible_triggers
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.definitions.module_loader import (
    LoadTarget,
    declares_middleware,
    describe_declaration_error,
    describe_import_error,
    distinguish_interrupts,
    find_targets,
    load_module,
    trap_os_exit,
)
from mainspring.engine.definitions.on import has_unclaimed_starts
from mainspring.engine.definitions.references import find_broken_declarations
from mainspring.engine.definitions.scripts import load_scripts

if TYPE_CHECKING:
    from mainspring.engine.attempts.step_middleware import RegisteredMiddleware

A = TypeVar("A", bound=Automation)


class Registry:
    """Collects automations; `with Registry() as registry:` collects those declared inside."""

    def __init__(self) -> None:
        self.automations: dict[str, Automation] = {}
        self.candidates: dict[tuple[str, int], Automation] = {}
        """Versions that only a rollout brings into force, by name and version."""
        self._run_middleware: list[RegisteredMiddleware] = []
        self._step_middleware: list[RegisteredMiddleware] = []
        self._base: Registry | None = None
        """The registry whose automations and middleware this one shares."""
        self.problems: list[LoadProblem] = []
        self.hints: list[str] = []
        """Valid declarations that may surprise their author; the process that loads them reports each once."""
        self.loaded: list[str] = []
        """The files and modules that loaded, as they are named: an automation that they no longer declare has been removed."""
        self._absent_middleware: list[str] = []
        """The files and modules that declare middleware, and do not load."""
        self._loading = False
        self._tokens: list[Token[Registry | None]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())

    def take_over(self) -> None:
        """Become the current registry of this context; for a separate task, whose context ends with it."""
        _current.set(self)

    def __iter__(self) -> Iterator[Automation]:
        return iter([*self.automations.values(), *self.candidates.values()])

    @property
    def names(self) -> set[str]:
        """The names of all automations."""
        return {*self.automations, *(name for name, _ in self.candidates)}

    def add(self, automation: A) -> A:
        """Add an automation and return it; for a broken one add its problem. Interactive code replaces its earlier declaration.

        Raises:
            DefinitionError: another one has its name; names both places.
        """
        _record_declaration(automation)
        if automation.error is not None:
            self._report(describe_declaration_error(automation.where, automation.name, automation.error))
            return automation
        known = self._find_rival(automation)
        is_redefined = known is not None and not self.is_loading and known.is_typed_in and automation.is_typed_in
        if known is None or is_redefined or known.is_again(automation):
            self._put(automation)
        elif known is not automation:
            self._refuse(
                automation.where,
                f"two automations have the name {automation.name!r}: at {known.where} and at {automation.where}",
                "Give one of them another name with name=..., or remove it. A new version of the same one beside it: "
                f"version={max(known.version, automation.version) + 1}, rollout=True.",
            )
        return automation

    def add_middleware(self, middleware: "RegisteredMiddleware") -> None:
        """Add a middleware; the same class again, or a second import of its file, takes the place of the first.

        Raises:
            DefinitionError: one line declares two classes, as in a function that was called twice.
        """
        for known in (*self._run_middleware, *self._step_middleware):
            if (
                _is_same_place(known, middleware)
                and known.code is middleware.code
                and known.kind is not middleware.kind
            ):
                raise DefinitionError(
                    f"middleware {middleware.kind.__qualname__!r} is declared twice by one line\nat {middleware.where}",
                    hint="Call its function once, or declare each class on a line of its own. In a test, declare it inside of "
                    "`with Registry():`.",
                )
        if self._base is None:
            file = middleware.where.rpartition(":")[0]
            _put_middleware(_middleware_by_file.setdefault(file, []), middleware)
        if hasattr(middleware.kind, "around_run"):
            _put_middleware(self._run_middleware, middleware)
        if hasattr(middleware.kind, "around_step"):
            _put_middleware(self._step_middleware, middleware)

    @property
    def run_middleware(self) -> "list[RegisteredMiddleware]":
        """The middleware around runs, in the order of the declarations."""
        return self._run_middleware if self._base is None else [*self._base.run_middleware, *self._run_middleware]

    @property
    def step_middleware(self) -> "list[RegisteredMiddleware]":
        """The middleware around steps, in the order of the declarations."""
        return self._step_middleware if self._base is None else [*self._base.step_middleware, *self._step_middleware]

    def derive(self) -> "Registry":
        """Return a registry with the same automations and middleware. Middleware that is added to it surrounds its own runs alone."""
        derived = Registry()
        derived.automations, derived.candidates = self.automations, self.candidates
        derived.problems, derived.hints, derived.loaded = self.problems, self.hints, self.loaded
        derived._base = self
        return derived

    def _find_rival(self, automation: Automation) -> Automation | None:
        """Return the automation in whose place this one would be, or that has its version."""
        name, version = automation.name, automation.version
        known = self.automations.get(name)
        candidate = self.candidates.get((name, version))
        if automation.is_candidate:
            return candidate or (known if known is not None and known.version == version else None)
        return known or candidate

    def _put(self, automation: Automation) -> None:
        """Add an automation in place of the same declaration, which may have had another version."""
        for known in self:
            if known.name == automation.name and known.is_again(automation):
                self._remove(known)
        if automation.is_candidate:
            self.candidates[automation.name, automation.version] = automation
        else:
            self.automations[automation.name] = automation

    def _remove(self, automation: Automation) -> None:
        if self.automations.get(automation.name) is automation:
            del self.automations[automation.name]
        if self.candidates.get((automation.name, automation.version)) is automation:
            del self.candidates[automation.name, automation.version]

    def get(self, name: str, version: int | None = None) -> Automation:
        """Return the automation of this name, in this version if it is here; else the one without rollout=True, else the newest.

        Raises:
            UnknownNameError: no automation has this name; shows the nearest.
        """
        automation = self.find(name, version)
        if automation is None:
            raise UnknownNameError("automation", name, sorted(self.names))
        return automation

    def find(self, name: str, version: int | None = None) -> Automation | None:
        """Return the automation as `get` does; None = no automation has this name."""
        if version is not None and (found := self.candidates.get((name, version))):
            return found
        versions = [known for known in self.candidates if known[0] == name]
        return self.automations.get(name) or (self.candidates[max(versions)] if versions else None)

    def list_other_versions(self, definition: Definition) -> list[Automation]:
        """Return the automations of the same name in other versions; empty if none is a candidate of a rollout."""
        if not self.has_candidate(definition.name):
            return []
        named = (automation for automation in self if automation.name == definition.name)
        return [automation for automation in named if automation.version != definition.version]

    def has_candidate(self, name: str) -> bool:
        """Return whether an automation has a version that only a rollout brings into force."""
        return any(name == known for known, _ in self.candidates)

    def choose_version(self, automation: Automation, find_in_force: Callable[[str], int | None]) -> Automation:
        """Return the version in force of an automation, if it is here; its options count for starts.

        `find_in_force` returns the version in force of a name. It is called only if there is a candidate of this name.
        """
        if not self.has_candidate(automation.name):
            return automation
        return self.find(automation.name, find_in_force(automation.name)) or automation

    def __contains__(self, name: object) -> bool:
        """Whether an automation has this name, in any version."""
        return name in self.automations or (isinstance(name, str) and self.has_candidate(name))

    @classmethod
    def load(cls, targets: Iterable[str | Path], base_dir: str | Path = ".") -> Self:
        """Return a registry with the automations of files, globs, folders and modules; never raises for one of them."""
        registry = cls()
        load_targets, problems = find_targets(targets, Path(base_dir).resolve())
        registry.problems.extend(problems)
        with registry, registry._while_loading():
            for target in load_targets:
                registry._load_one(target)
        registry.complete()
        return registry

    def complete(self) -> None:
        """Complete each definition and check renames; an invalid automation becomes a problem and is removed."""
        for automation in self:
            try:
                _ = automation.definition
            except MainspringError as error:
                self._remove(automation)
                fix = error.hint or "Fix this declaration."
                self.problems.append(
                    LoadProblem(where=automation.where, what=error.message, how=fix, automation=automation.name)
                )
        self._remove_users_of_broken_declarations()
        self._remove_all_without_middleware()
        self.problems.extend(self._rename_problems())
        self.problems.extend(drop_impossible_triggers(self))

    def _remove_users_of_broken_declarations(self) -> None:
        """Remove each automation whose code names a step, task or workflow that cannot be used: it would fail half-way."""
        for automation in self:
            if automation.fn is None:
                continue
            for broken in find_broken_declarations(automation.fn):
                if broken.error is None:
                    continue
                own = describe_declaration_error(broken.where, "", broken.error)
                # This problem includes that of the step itself.
                self.problems = [problem for problem in self.problems if problem != own]
                description = (
                    f"{own.what}\n{automation.definition.kind} {automation.name!r} at {automation.where} uses it"
                )
                self._report(msgspec.structs.replace(own, what=description, automation=automation.name))
                self._remove(automation)

    def _remove_all_without_middleware(self) -> None:
        """Remove every automation if some middleware is absent: none may run without what surrounds it, such as a check of its tenant."""
        for target in self._absent_middleware[:1]:
            for automation in self:
                self._remove(automation)
                problem = f"{automation.name!r} is not loaded, because {target} declares middleware and does not load"
                fix = f"Fix {target}, or remove it. No automation runs without the middleware."
                self._report(LoadProblem(where=automation.where, what=problem, how=fix, automation=automation.name))

    def _load_one(self, target: LoadTarget) -> None:
        """Load one file or module; if it fails, none of its automations stays."""
        before = dict(self.automations), dict(self.candidates)
        middleware = list(self._run_middleware), list(self._step_middleware)
        if target.file is not None and target.file.suffix == ".toml":
            scripts, problems = load_scripts(target.file)
            self.problems.extend(problems)
            for script in scripts:
                self.add(script)
            self.loaded.append(target.text)
            return
        try:
            with distinguish_interrupts() as is_interrupt, trap_os_exit(), collect_setting_errors() as refused:
                module = load_module(target.text, before_executing=_forget_declarations)
        except BaseException as error:
            if is_interrupt(error):
                raise
            # After any error of users' code the other targets still load.
            self.automations, self.candidates = before
            self._run_middleware, self._step_middleware = middleware
            _forget_declarations(target.text)
            self.problems.append(describe_import_error(target, error))
            if declares_middleware(target, error):
                self._absent_middleware.append(target.text)
            return
        self.loaded.append(target.text)
        self._adopt(module)
        self._report_waiting(module)
        for setting in refused:
            if not setting.is_used:
                self._report(describe_declaration_error(setting.where, "", setting.error))

    def _adopt(self, module: ModuleType) -> None:
        """Add the declarations of the module and its parts from their first import: a second import declares nothing."""
        for name, part in list(sys.modules.items()):
            if part is module or name.startswith(f"{module.__name__}."):
                file = getattr(part, "__file__", None) or ""
                for automation in list(_declarations_by_file.get(file, ())):
                    self.add(automation)
                for middleware in list(_middleware_by_file.get(file, ())):
                    self.add_middleware(middleware)
        for value in list(vars(module).values()):
            # By type: a user's lazy proxy may raise on isinstance().
            if issubclass(type(value), Automation):
                self.add(value)
            elif issubclass(type(value), Step):
                self.report_step(value)
            elif issubclass(type(value), type):
                for middleware in find_middleware(value):
                    self.add_middleware(middleware)

    def _report_waiting(self, module: ModuleType) -> None:
        """Report schedules and triggers on a function that is no automation: they would be lost silently."""
        for name, value in list(vars(module).items()):
            if has_unclaimed_starts(value) and getattr(value, "__module__", None) == module.__name__:
                self.problems.append(
                    LoadProblem(
                        where=f"{value.__code__.co_filename}:{value.__code__.co_firstlineno}",
                        what=f"{name!r} has a schedule or trigger but is not an automation",
                        how="Add @ms.task or @ms.workflow.",
                    )
                )

    def _rename_problems(self) -> Iterator[LoadProblem]:
        """Yield the problems of `was`: a name that is still in use, or that two automations claim."""
        successors: dict[str, Automation] = {}
        for automation in self:
            for old in automation.was:
                problem = ""
                if old == automation.name:
                    problem = f"{old!r} has its own name in was="
                elif old in self.names:
                    problem = (
                        f"{automation.name!r} has {old!r} in was=, but {old!r} still exists at {self.get(old).where}"
                    )
                elif successors.setdefault(old, automation).name != automation.name:
                    problem = f"{automation.name!r} and {successors[old].name!r} both have {old!r} in was="
                if problem:
                    yield LoadProblem(
                        where=automation.where, what=problem, how="Remove this name from was=, or rename the other."
                    )

    def _refuse(self, where: str, description: str, fix: str) -> None:
        """Record a problem while files are loaded, raise elsewhere."""
        if not self.is_loading:
            raise DefinitionError(description, hint=fix)
        self._report(LoadProblem(where=where, what=description, how=fix))

    def _report(self, problem: LoadProblem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def report_step(self, step: Step[..., Any]) -> None:
        """Record why the declaration of a step cannot be used."""
        if step.error is not None:
            self._report(describe_declaration_error(step.where, "", step.error))

    def withdraw(self, automation: Automation, error: MainspringError) -> None:
        """Remove an automation whose declaration is invalid, and record the problem."""
        self._remove(automation)
        automation.error = automation.error or error
        self.add(automation)

    @property
    def is_loading(self) -> bool:
        """Whether files are being loaded: problems are then collected instead of raised."""
        return self._loading or IMPORTING_FOR_RUN.get()

    @contextmanager
    def _while_loading(self) -> Iterator[None]:
        """Collect problems instead of raising them."""
        self._loading = True
        try:
            yield
        finally:
            self._loading = False


_current: ContextVar[Registry | None] = ContextVar("mainspring_registry", default=None)
_process_registry = Registry()
# The declarations of each file, for registries that are created after the import of the file.
_declarations_by_file: dict[str, list[Automation]] = {}


def _forget_declarations(file: str) -> None:
    """Forget the declarations of a file, which is executed again or has failed."""
    _declarations_by_file.pop(file, None)
    _middleware_by_file.pop(file, None)


def current_registry() -> Registry:
    """Return the registry of the enclosing `with`, otherwise that of the process."""
    return _current.get() or _process_registry


_middleware_by_file: "dict[str, list[RegisteredMiddleware]]" = {}


def _put_middleware(known: "list[RegisteredMiddleware]", middleware: "RegisteredMiddleware") -> None:
    """Add a middleware to a list, in place of the same declaration."""
    for place, other in enumerate(known):
        if other.kind is middleware.kind or _is_same_place(other, middleware):
            known[place] = middleware
            return
    known.append(middleware)


def _is_same_place(known: "RegisteredMiddleware", middleware: "RegisteredMiddleware") -> bool:
    return known.where == middleware.where and known.kind.__qualname__ == middleware.kind.__qualname__


def find_middleware(kind: type) -> "list[RegisteredMiddleware]":
    """Return the declarations of a class as middleware, at most one for each file."""
    return [known for declared in _middleware_by_file.values() for known in declared if known.kind is kind]


def list_middleware_of_file(automation: Automation) -> "list[RegisteredMiddleware]":
    """Return the middleware of the file that declares an automation."""
    return _middleware_by_file.get(automation.where.rpartition(":")[0], [])


def list_declarations_of_file(automation: Automation) -> list[Automation]:
    """Return the automations of the file that declares one, that one included."""
    declared = _declarations_by_file.get(automation.where.rpartition(":")[0], [])
    return declared if automation in declared else [automation]


def _record_declaration(automation: Automation) -> None:
    """Record the declarations of a Python file; a repeated one replaces the first."""
    file, _, line = automation.where.rpartition(":")
    if line and not file.startswith("<"):
        other_automations = [
            known
            for known in _declarations_by_file.get(file, [])
            if known is not automation and not known.is_again(automation)
        ]
        _declarations_by_file[file] = [*other_automations, automation]
