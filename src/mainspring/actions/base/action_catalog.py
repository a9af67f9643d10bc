"""Catalog of the actions, read from the modules of the package: names, arguments, and why each is safe to run twice.

An action is a public function whose docstring has a paragraph that starts with "Safe to run twice because". There is no other list.
"""

import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Unpack, get_args, get_origin, is_typeddict

import msgspec

from mainspring import actions
from mainspring.domain.errors import UnknownNameError

_PAGES = {"lock": "locks", "once": "effects", "publish": "outbox", "secret": "secrets", "send": "outbox"}
"""Pages of functions that a reader may take for actions."""
SAFE = "Safe to run twice because"
_EXAMPLE = "Example:"
_RAISES = "Raises:"
_ASYNC = "_async"
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MODULE = re.compile(r"\b(?:\w+\.)+(?=[A-Z_a-z])")


class ActionArgument(msgspec.Struct, frozen=True):
    """One argument: its type as it is written; `default` = None if the call must pass it, "" if it is not set."""

    name: str
    type: str
    default: str | None


class ActionEntry(msgspec.Struct, frozen=True):
    """One action, as its signature and docstring describe it.

    `returns` = the type of its result as it is written. `async_form` = the name of the form for event loops.
    """

    name: str
    summary: str
    call: str
    arguments: list[ActionArgument]
    returns: str
    description: str
    safe: str
    example: str | None
    errors: str | None
    async_form: str | None = None


def list_actions() -> list[ActionEntry]:
    """Return all actions by name, without their async forms. A module that needs a package which is not installed is left out."""
    entries = _read_actions()
    return [entry for entry in entries if entry.name not in {other.async_form for other in entries}]


def _read_actions() -> list[ActionEntry]:
    """Return all actions and their async forms, by name."""
    found: list[ActionEntry] = []
    for module in pkgutil.iter_modules(actions.__path__):
        try:
            found += _read_module(module.name)
        except ImportError:
            continue
    by_name = {entry.name: entry for entry in found}
    return sorted((_with_other_form(entry, by_name) for entry in found), key=lambda entry: entry.name)


def _with_other_form(entry: ActionEntry, by_name: dict[str, ActionEntry]) -> ActionEntry:
    """Return the entry with the name of its async form, and that of an async form with the example of its plain form."""
    if (name := f"{entry.name}{_ASYNC}") in by_name:
        return msgspec.structs.replace(entry, async_form=name)
    plain = by_name.get(entry.name.removesuffix(_ASYNC), entry)
    if plain is entry or plain.example is None:
        return entry
    word = "async" if plain.example.startswith("for ") else "await"
    return msgspec.structs.replace(entry, example=f"{word} {plain.example.replace(plain.name, entry.name)}")


def find_action(name: str) -> ActionEntry:
    """Return the action with this name, such as "files.write".

    Raises:
        UnknownNameError: there is none.
    """
    entries = {entry.name: entry for entry in _read_actions()}
    if name in entries:
        return entries[name]
    error, function = UnknownNameError("action", name, entries), name.removeprefix("ms.")
    if function in _PAGES:
        error.hint = f"ms.{function} is a function: mainspring docs show {_PAGES[function]}"
    raise error


@functools.cache
def _read_module(name: str) -> tuple[ActionEntry, ...]:
    module = importlib.import_module(f"{actions.__name__}.{name}")
    return tuple(_read_functions(name, vars(module), module.__name__))


def _read_functions(family: str, names: dict[str, Any], module_name: str) -> Iterator[ActionEntry]:
    for name, value in names.items():
        function = inspect.unwrap(getattr(value, "fn", value)) if callable(value) else None
        if not inspect.isfunction(function) or name.startswith("_"):
            continue
        if f"{function.__module__}.".startswith(f"{module_name}.") and SAFE in (function.__doc__ or ""):
            yield _read_function(f"{family}.{name}", function)


def _read_function(name: str, function: Callable[..., Any]) -> ActionEntry:
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    texts = [part for part in paragraphs[1:] if not part.startswith((SAFE, _EXAMPLE, _RAISES))]
    parameters = inspect.signature(function).parameters.values()
    arguments = [argument for parameter in parameters for argument in _read_arguments(parameter)]
    names = function.__globals__  # Python 3.11 does not know the bases of a TypedDict
    texts += [text for parameter in parameters for text in _describe_options(_options_of(parameter), names)]
    required = [
        parameter.name if parameter.kind is not inspect.Parameter.KEYWORD_ONLY else f"{parameter.name}=..."
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty and parameter.kind not in _VARIABLE
    ]
    return ActionEntry(
        name,
        " ".join(paragraphs[0].split()),
        f"{name}({', '.join(required)})",
        arguments,
        _format_type(inspect.signature(function).return_annotation),
        "\n\n".join(texts),
        next(" ".join(part.split()) for part in paragraphs if part.startswith(SAFE)),
        _find_section(paragraphs, _EXAMPLE),
        _find_section(paragraphs, _RAISES),
    )


def _read_arguments(parameter: inspect.Parameter) -> Iterator[ActionArgument]:
    """Yield the arguments that a parameter stands for: `**options: Unpack[...]` stands for each option."""
    options = _options_of(parameter)
    if options is not None:
        for name, annotation in options.__annotations__.items():
            yield ActionArgument(name, _format_type(annotation), "")
    elif parameter.kind not in _VARIABLE:
        default = None if parameter.default is inspect.Parameter.empty else repr(parameter.default)
        yield ActionArgument(parameter.name, _format_type(parameter.annotation), default)


def _options_of(parameter: inspect.Parameter) -> Any:
    """Return the TypedDict of `**options: Unpack[...]`, else None."""
    is_unpacked = get_origin(parameter.annotation) is Unpack
    return get_args(parameter.annotation)[0] if is_unpacked else None


def _describe_options(options: Any, names: dict[str, Any]) -> Iterator[str]:
    """Yield the paragraphs that explain options, also those that its module has inherited from other classes of options."""
    if options is None:
        return
    own = options.__annotations__.keys()
    for value in names.values():
        if is_typeddict(value) and value.__annotations__.keys() <= own:
            yield from (inspect.getdoc(value) or "").split("\n\n")[1:]


def _format_type(annotation: Any) -> str:
    return _MODULE.sub("", inspect.formatannotation(annotation))


def _find_section(paragraphs: list[str], title: str) -> str | None:
    found = next((part for part in paragraphs if part.startswith(title)), None)
    return None if found is None else textwrap.dedent(found.removeprefix(title)).strip()
