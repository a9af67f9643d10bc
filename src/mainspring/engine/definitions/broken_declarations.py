"""The broken declarations that a workflow's code names: steps, tasks and workflows that it requests and cannot use.

The search follows the names in the code of the workflow, of its nested functions, and of the plain functions that it names in the user's
own modules. Code that is reached in another way (a table, `getattr`) is not found: then `run.step` and `run.child` raise the error.
"""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mainspring.engine.attempts.isolation import unwrap_function
from mainspring.engine.definitions.automation import Automation, Step


def find_broken_declarations(function: Callable[..., Any]) -> list[Step[..., Any] | Automation]:
    """Return the broken declarations that the code of a workflow's function names, in the order found."""
    found: dict[int, Step[..., Any] | Automation] = {}
    seen: set[int] = set()
    functions = [unwrap_function(function)]
    while functions:
        current = functions.pop()
        if not isinstance(current, FunctionType) or id(current) in seen:
            continue
        seen.add(id(current))
        for value in _named_values(current):
            if issubclass(type(value), Step | Automation):
                if value.error is not None:
                    found[id(value)] = value
            elif isinstance(value, FunctionType) and value.__module__ == current.__module__:
                functions.append(value)
    return list(found.values())


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
