"""The call of the function of a run: the facts that it knows about its run, and the middleware around it."""

from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from mainspring.engine.body.body import Body
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.runs import ClaimedRun

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def read_run_facts(run: ClaimedRun) -> dict[str, Any]:
    """Return what the code of a run knows about it. The headers of `run` are opened."""
    return {
        "automation": run.automation,
        "key": run.run_key,
        "slot_at": run.slot_at,
        "deadline_at": run.deadline_at,
        "headers": _NO_HEADERS if run.headers is None else _read_headers(run.headers),
    }


def _read_headers(data: bytes) -> Mapping[str, str]:
    from mainspring.domain.runs.run_headers import decode_headers  # noqa: PLC0415 - few runs have headers

    return decode_headers(data)


def call_run(
    registry: Registry,
    body: Body,
    facts: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    call: Callable[[], Coroutine[Any, Any, Any]],
) -> Coroutine[Any, Any, Any]:
    """Return the coroutine of a run: that of its function, within the middleware around runs."""
    if not registry.run_middleware:
        return call()
    from mainspring.engine.body.run_middleware import RunInvocation, run_through  # noqa: PLC0415 - few programs have middleware

    invocation = RunInvocation(body, facts, args, MappingProxyType(dict(kwargs)))
    return run_through([known.instance for known in registry.run_middleware], body, invocation, call)
