"""Message types: the signals and events that a workflow can read, found in the text of its function without running it.

`run.receive("approve", Approval)` and `run.event("paid", type=Payment)` state a type. Only complete results are returned: if the function
passes its run on, or waits for a computed name, more types of that kind are possible, and none is returned.
"""

import ast
import builtins
import inspect
import operator
import textwrap
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.values.arguments import make_value_schema

MessageSchemas = dict[str, dict[str, list[Any]]]

_UNKNOWN: Any = object()
_WAITS: Final = {
    "receive": (FactKind.SIGNAL, "signal", 1),
    "receive_any": (FactKind.SIGNAL, "signals", None),
    "event": (FactKind.EVENT, "name", None),
}
"""By method of the run: kind of the fact, parameter of the name, and position of the type among the arguments."""


def find_message_schemas(fn: Callable[..., Any]) -> MessageSchemas:
    """Return kind -> name -> JSON schemas of the facts that a workflow's function waits for, for each kind whose text is complete."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
        run = next(iter(inspect.signature(fn).parameters))
        names = _names_of(fn, tree)
    except (OSError, TypeError, SyntaxError, ValueError, AttributeError, StopIteration):
        return {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_wait(node, run)]
    if not calls or _is_passed_on(tree, run):
        return {}
    found: MessageSchemas = {}
    for kind in (FactKind.SIGNAL, FactKind.EVENT):
        stated = [wait for call in calls if _WAITS[_method_name(call)][0] is kind for wait in _read_waits(call, names)]
        if stated and all(name is not None for name, _ in stated):
            found[kind] = _by_name([(name, annotation) for name, annotation in stated if name is not None])
    return {kind: by_name for kind, by_name in found.items() if by_name}


def _by_name(stated: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Return the schemas by name, without names that are also awaited without a type or with one that has no schema."""
    schemas: dict[str, list[Any]] = {}
    open_names: set[str] = set()
    for name, annotation in stated:
        schema = None if annotation is _UNKNOWN or isinstance(annotation, str) else _schema_of(annotation)
        if schema is None:
            open_names.add(name)
        else:
            schemas.setdefault(name, []).append(msgspec.json.decode(schema))
    return {name: found for name, found in schemas.items() if name not in open_names}


def _schema_of(annotation: Any) -> bytes | None:
    try:
        return make_value_schema(annotation)
    except TypeError:  # it cannot be hashed
        return None


def _method_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _is_wait(call: ast.Call, run: str) -> bool:
    """Return whether this is `run.receive(...)` or `run.options(...).receive(...)`, or the same with `event`."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr not in _WAITS:
        return False
    owner = func.value
    while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute) and owner.func.attr == "options":
        owner = owner.func.value
    return isinstance(owner, ast.Name) and owner.id == run


def _is_passed_on(tree: ast.AST, run: str) -> bool:
    """Return whether the run is used in another way than for its attributes: then other code may wait with it."""
    owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return any(isinstance(node, ast.Name) and node.id == run and id(node) not in owners for node in ast.walk(tree))


def _read_waits(call: ast.Call, names: Mapping[str, Any]) -> list[tuple[str | None, Any]]:
    """Return the awaited names (None = one is computed) with their types."""
    if _method_name(call) != "receive_any":
        return [_read_wait(call, names)]
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    match call.args[0] if call.args else words.get("signals"):
        case ast.Dict(keys=keys, values=values):
            pairs = list(zip(keys, [_value_of(value, names) for value in values], strict=True))
        case ast.List(elts=keys) | ast.Tuple(elts=keys) | ast.Set(elts=keys):
            pairs = [(key, _UNKNOWN) for key in keys]
        case _:
            return [(None, _UNKNOWN)]
    return [
        (key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None, annotation)
        for key, annotation in pairs
    ]


def _read_wait(call: ast.Call, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Return the awaited name (None = it is computed) and its type."""
    _, parameter, place = _WAITS[_method_name(call)]
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in words or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None, _UNKNOWN
    name = call.args[0] if call.args else words.get(parameter)
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None, _UNKNOWN
    annotation = words.get("type")
    if annotation is None and place is not None and len(call.args) > place:
        annotation = call.args[place]
    return name.value, _UNKNOWN if annotation is None else _value_of(annotation, names)


def _value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the value of a type expression: names, dots, brackets and `|`; `_UNKNOWN` for any other."""
    try:
        match node:
            case ast.Name(id=name):
                return names.get(name, _UNKNOWN)
            case ast.Constant(value=value):
                return value
            case ast.Attribute(value=owner, attr=attr):
                return getattr(_require_value(owner, names), attr)
            case ast.Tuple(elts=elts):
                return tuple(_require_value(item, names) for item in elts)
            case ast.Subscript(value=owner, slice=inner):
                return _require_value(owner, names)[_require_value(inner, names)]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return operator.or_(_require_value(left, names), _require_value(right, names))
    except Exception:  # noqa: BLE001 - any error of the user's objects: the type is unknown
        return _UNKNOWN
    return _UNKNOWN


def _require_value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    value = _value_of(node, names)
    if value is _UNKNOWN:
        raise LookupError
    return value


def _names_of(fn: Callable[..., Any], tree: ast.AST) -> Mapping[str, Any]:
    """Return the values of names in the function; a name that it assigns itself is unknown."""
    code = fn.__code__
    cells = zip(code.co_freevars, fn.__closure__ or (), strict=True)
    closure = {name: cell.cell_contents for name, cell in cells}
    local = {node.arg: _UNKNOWN for node in ast.walk(tree) if isinstance(node, ast.arg)}
    local |= {
        node.id: _UNKNOWN for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return ChainMap(local, closure, fn.__globals__, vars(builtins))
