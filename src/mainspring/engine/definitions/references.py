"""References of a function's code: the broken declarations and the actions that it names.

The search follows the names in the code of a function, of its nested functions, and of the plain functions of its module that it names.
Functions of other modules, and code that is reached in another way (a table, `getattr`), are not searched.
"""

import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mainspring.engine.attempts.isolation import unwrap_function
from mainspring.engine.definitions.automation import Automation, Step

_ACTIONS = "mainspring.actions."
"""The package of the ready-made actions."""


def find_broken_declarations(function: Callable[..., Any]) -> list[Step[..., Any] | Automation]:
    """Return the broken declarations that the code of a workflow's function names, in the order found.

    Those that are not found raise their error in `run.step` and `run.child`.
    """
    found: dict[int, Step[..., Any] | Automation] = {}
    for value in _iterate_references(function):
        if issubclass(type(value), Step | Automation) and value.error is not None:
            found[id(value)] = value
    return list(found.values())


def find_actions(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the actions that the code of an automation and of its steps names, such as "http.request", in the order of their names."""
    found: set[str] = set()
    for value in _iterate_with_steps(function):
        if issubclass(type(value), Step):
            found |= {value.name} if value.is_action else set()
        elif isinstance(value, FunctionType) and value.__module__.startswith(_ACTIONS):
            found.add(f"{value.__module__.removeprefix(_ACTIONS).partition('.')[0]}.{value.__name__}")
    return tuple(sorted(found))


def find_action_steps(function: Callable[..., Any]) -> list[Step[..., Any]]:
    """Return the user's own actions that the code of an automation and of its steps names."""
    return [value for value in _iterate_with_steps(function) if issubclass(type(value), Step) and value.is_action]


def _iterate_with_steps(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the values that the code names, and those of its steps."""
    functions, known = [function], {id(function)}
    while functions:
        for value in _iterate_references(functions.pop()):
            yield value
            if issubclass(type(value), Step) and id(value) not in known:
                known.add(id(value))
                functions.append(value)


def _iterate_references(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the values that the code names, those of its functions in the same module too."""
    seen: set[int] = set()
    functions = [inspect.unwrap(unwrap_function(function))]
    while functions:
        current = functions.pop()
        if not isinstance(current, FunctionType) or id(current) in seen:
            continue
        seen.add(id(current))
        for value in _named_values(current):
            yield value
            if isinstance(value, FunctionType) and value.__module__ == current.__module__:
                functions.append(value)


def _named_values(function: FunctionType) -> Iterator[Any]:
    """Yield the values of the names in a function's code: globals, closure cells, and attributes of modules."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    names = set(_names_in(function.__code__))
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        yield value
        if type(value) is ModuleType:
            yield from (vars(value)[attribute] for attribute in sorted(names & vars(value).keys()))


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
