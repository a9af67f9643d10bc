"""The signature of a function, read once: names, kinds, types and defaults of its own arguments, and its result.

Role: the one place that reads signatures. A function's own arguments are those after the `skip` first ones (a workflow's run, a
transactional step's tx), which the engine passes itself. Invariants: a signature is made once per function; an annotation that cannot be
resolved counts as Any; one that could be written but never read back is refused here, before anything runs.
"""

import copy
import functools
import inspect
import sys
import types
from collections import abc
from collections.abc import Callable
from typing import Any, NamedTuple, Unpack, get_args, get_origin, get_type_hints

import msgspec

from mainspring.domain.errors import ArgumentError, DefinitionError, ValueRefusedError
from mainspring.domain.values.annotation import (
    decode_unknown,
    find_exact_types,
    format_annotation,
    get_decoder,
    make_readable,
)
from mainspring.domain.values.codec import encode

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_AWAITABLE_TYPES = (abc.Awaitable, abc.Coroutine)
NO_DEFAULT: Any = inspect.Parameter.empty


class Parameter(NamedTuple):
    """One argument of a function; `kind` as in `inspect`, `default` is NO_DEFAULT if there is none."""

    name: str
    kind: Any
    annotation: Any
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether a call must pass it."""
        return self.default is NO_DEFAULT and self.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )


class Signature:
    """A function's own arguments and its result; made by `read_signature`."""

    def __init__(
        self, name: str, leading: tuple[tuple[str, Any], ...], parameters: tuple[Parameter, ...], returns: Any
    ) -> None:
        self.name = name
        self.skip = len(leading)
        self.leading = leading
        self.parameters = parameters
        self.returns = returns
        self.positional = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        self.keyword_only = tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
        self.rest = _find_parameter_name(parameters, inspect.Parameter.VAR_POSITIONAL)
        self.extra = _find_parameter_name(parameters, inspect.Parameter.VAR_KEYWORD)
        self.by_name = {p.name: p for p in parameters}
        defaults = {p.name: p.default for p in parameters if p.default is not NO_DEFAULT}
        self.opaque = {name: value for name, value in defaults.items() if not _can_encode(value)}
        self.defaults = {name: value for name, value in defaults.items() if name not in self.opaque}
        self._names = frozenset(self.positional) | frozenset(self.keyword_only)
        self._named = frozenset(
            p.name for p in parameters if p.kind in (_POSITIONAL[1], inspect.Parameter.KEYWORD_ONLY)
        )
        self._is_plain = self.rest is None and self.extra is None and not self.opaque
        self.exact_result = find_exact_types(returns)
        self.exact = {p.name: find_exact_types(p.annotation) for p in parameters if p.name in self._names}
        self.exact |= {name: frozenset() for name in (self.rest, self.extra) if name is not None}
        self.result_decoder = _checked_decoder(returns, f"the result of {name}")
        for p in parameters:
            if get_origin(p.annotation) is not Unpack:
                _checked_decoder(p.annotation, f"parameter {p.name!r} of {name}")

    @functools.cached_property
    def call_decoder(self) -> "msgspec.json.Decoder[msgspec.Struct]":
        """The decoder of all arguments at once: a struct with one field per parameter, in their order."""
        fields: list[Any] = [(f"p{n}", *_struct_field(p)) for n, p in enumerate(self.parameters)]
        rename = {f"p{n}": p.name for n, p in enumerate(self.parameters)}
        call = msgspec.defstruct("Call", fields, kw_only=True, rename=rename)
        return msgspec.json.Decoder(call, dec_hook=decode_unknown)

    def renamed(self, name: str) -> "Signature":
        """Return the same signature whose errors have another name, such as that of its automation."""
        other = copy.copy(self)
        other.name = name
        return other

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], value_name: str) -> dict[str, Any]:
        """Return {parameter: argument} with defaults filled in, without those defaults that have no JSON form.

        Raises:
            ArgumentError: the arguments do not fit.
        """
        if not self._is_plain or len(args) > len(self.positional):
            return self._bind_any(args, kwargs, value_name)
        values = dict(zip(self.positional, args, strict=False))
        if kwargs:
            if not self._named.issuperset(kwargs) or not values.keys().isdisjoint(kwargs):
                return self._bind_any(args, kwargs, value_name)
            values.update(kwargs)
        if len(values) < len(self._names):
            values = self.defaults | values
            if len(values) < len(self._names):
                return self._bind_any(args, kwargs, value_name)
        return values

    def spread(self, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs) that pass `values`, keyed by parameter, to the function."""
        extra = {name: value for name, value in values.items() if name not in self.by_name}
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for p in self.parameters:
            given = values.get(p.name, NO_DEFAULT)
            if p.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(() if given is NO_DEFAULT else given)
            elif p.kind is inspect.Parameter.VAR_KEYWORD:
                kwargs.update({} if given is NO_DEFAULT else given)
            elif given is NO_DEFAULT and (p.kind is not _POSITIONAL[0] or p.is_required):
                continue
            elif p.kind is _POSITIONAL[0] or (self.rest is not None and p.name in self.positional):
                args.append(p.default if given is NO_DEFAULT else given)
            else:
                kwargs[p.name] = given
        return tuple(args), kwargs | extra

    def arguments_of(self, call: msgspec.Struct) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs) of a call that `call_decoder` read."""
        values = msgspec.structs.astuple(call)
        if len(values) == len(self.positional):
            return values, {}
        count = len(self.positional)
        args, keyword_values = (
            values[:count],
            dict(zip([p.name for p in self.parameters[count:]], values[count:], strict=True)),
        )
        if self.rest is not None:
            args += tuple(keyword_values.pop(self.rest))
        extra = keyword_values.pop(self.extra) if self.extra is not None else {}
        return args, keyword_values | extra

    def values_of(self, data: bytes) -> dict[str, Any]:
        """Return {parameter: argument} of a saved call, as today's annotations read it."""
        args, kwargs = self.arguments_of(self.call_decoder.decode(data))
        return self.bind(args, kwargs, "saved arguments")

    def _bind_any(self, args: tuple[Any, ...], kwargs: dict[str, Any], value_name: str) -> dict[str, Any]:
        kinds = [inspect.Parameter(p.name, p.kind, default=p.default) for p in self.parameters]
        expected = inspect.Signature(kinds)
        try:
            bound = expected.bind(*args, **kwargs)
        except TypeError as error:
            subject = value_name if value_name.endswith("arguments") else f"arguments of {value_name}"
            unknown = sorted(kwargs.keys() - self._named) if self.extra is None else []
            more = f"; it has no parameter {unknown[0]!r}" if unknown and unknown[0] not in str(error) else ""
            raise ArgumentError(f"{subject} do not fit {self.name}{expected}: {error}{more}") from None
        values = self.defaults | bound.arguments
        for name, default in self.opaque.items():
            if values.get(name) is default:
                values.pop(name, None)
        return values

    def __repr__(self) -> str:
        inner = ", ".join(f"{p.name}: {format_annotation(p.annotation)}" for p in self.parameters)
        return f"<Signature {self.name}({inner}) -> {format_annotation(self.returns)}>"


def read_signature(fn: Callable[..., Any], skip: int = 0) -> Signature:
    """Return the signature of `fn` (function, method, class, callable) without its first `skip` parameters.

    Raises:
        DefinitionError: it has no signature, or a type in it could not be read back from JSON.
    """
    try:
        return _cached_signature(fn, skip)
    except TypeError:  # not hashable: nothing to remember it by
        return _read_signature(fn, skip)


def read_first_parameter(fn: Callable[..., Any]) -> tuple[str, Any] | None:
    """Return name and annotation of the first parameter (is it a run, a tx?), None if it takes none."""
    leading = _hinted_parameters(fn)[0][:1]
    return (leading[0].name, leading[0].annotation) if leading else None


def _read_signature(fn: Callable[..., Any], skip: int) -> Signature:
    parameters, returns, name = _hinted_parameters(fn)
    if len(parameters) < skip:
        raise DefinitionError(f"{name} has {len(parameters)} parameters, it needs at least {skip}")
    leading = tuple((p.name, p.annotation) for p in parameters[:skip])
    return Signature(name, leading, tuple(parameters[skip:]), returns)


_cached_signature = functools.lru_cache(maxsize=4096)(_read_signature)


def _hinted_parameters(fn: Callable[..., Any]) -> tuple[list[Parameter], Any, str]:
    name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        raise DefinitionError(f"{name} has no signature that can be read", hint="Wrap it in a function.") from None
    hints = _resolve_hints(fn)
    parameters = [Parameter(p.name, p.kind, hints.get(p.name, Any), p.default) for p in signature.parameters.values()]
    returns = fn if isinstance(fn, type) else hints.get("return", Any)
    if get_origin(returns) in _AWAITABLE_TYPES:
        returns = (get_args(returns) or (Any,))[-1]
    return parameters, returns, name


def _resolve_hints(fn: Any) -> dict[str, Any]:
    """Return the resolved annotations of `fn`; unresolvable ones are left out."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, type):
        fn = fn.__init__  # type: ignore[misc]
    elif not isinstance(fn, types.FunctionType | types.MethodType) and not hasattr(fn, "__wrapped__"):
        fn = getattr(type(fn), "__call__", fn)  # noqa: B004 - its function is needed
    fn = inspect.unwrap(getattr(fn, "__func__", fn))
    scope = getattr(fn, "__globals__", {})
    closure = _read_closure(fn)
    try:
        return get_type_hints(fn, scope, closure, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that exists only for type checkers: resolve the others one by one
        return _resolve_hints_singly(_raw_annotations(fn), scope, closure)


def _resolve_hints_singly(raw: dict[str, Any], scope: dict[str, Any], closure: dict[str, Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for name, annotation in raw.items():
        holder: Any = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints |= get_type_hints(holder, scope, closure, include_extras=True)
        except Exception:  # noqa: BLE001 - an annotation may raise anything, and then does not constrain the value
            hints[name] = Any
    return hints


def _raw_annotations(fn: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - exists only there

        return annotationlib.get_annotations(fn, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(fn, "__annotations__", {}))


def _read_closure(fn: Any) -> dict[str, Any]:
    names = getattr(getattr(fn, "__code__", None), "co_freevars", ())
    values: dict[str, Any] = {}
    for name, cell in zip(names, getattr(fn, "__closure__", None) or (), strict=False):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return values


def _checked_decoder(annotation: Any, where: str) -> "msgspec.json.Decoder[Any]":
    try:
        return get_decoder(annotation)
    except TypeError as error:
        raise DefinitionError(
            f"{where} is annotated as {format_annotation(annotation)}, which could be saved but not read back\n{error}",
            hint="Use msgspec Structs with tag=True for unions, or a type that holds one of them.",
        ) from None


def _unpack(annotation: Any) -> Any:
    """Return the type of options that are unpacked; one that has no JSON form constrains none of them."""
    inner = get_args(annotation)[0]
    try:
        get_decoder(inner)
    except TypeError:
        return dict[str, Any]
    return inner


def _struct_field(p: Parameter) -> tuple[Any, Any] | tuple[Any]:
    if p.kind is inspect.Parameter.VAR_POSITIONAL:
        return make_readable(list[p.annotation]), msgspec.field(default_factory=list)  # type: ignore[name-defined]
    if p.kind is inspect.Parameter.VAR_KEYWORD:
        inner = _unpack(p.annotation) if get_origin(p.annotation) is Unpack else dict[str, p.annotation]  # type: ignore[name-defined]
        return make_readable(inner), msgspec.field(default_factory=dict)
    if p.default is NO_DEFAULT:
        return (make_readable(p.annotation),)
    return make_readable(p.annotation), msgspec.field(default_factory=lambda: p.default)


def _can_encode(value: Any) -> bool:
    try:
        encode(value)
    except ValueRefusedError:
        return False
    return True


def _find_parameter_name(parameters: tuple[Parameter, ...], kind: Any) -> str | None:
    return next((p.name for p in parameters if p.kind is kind), None)
