"""Resources of an HTTP API: create one only if it is not there."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Unpack

from mainspring.actions.base.calling_thread import refuse_body, refuse_event_loop
from mainspring.actions.http.calls import KEY_HEADER, MISSING, reply_reader
from mainspring.actions.http.errors import HttpStatusError
from mainspring.actions.http.exchange import run_blocking, send_call
from mainspring.actions.http.prepared_call import CallOptions, PreparedCall, prepare_call
from mainspring.actions.http.reply import HttpReply
from mainspring.app.action import effect_of_action
from mainspring.domain.errors import OptionError
from mainspring.engine.attempts.effect import Check, Effect

_NAME = "http.ensure"
_CONFLICT = 409
_WINDOW = timedelta(milliseconds=1)
"""After it the key may be used again: what is there is decided by the target, not by the ledger."""
Creation = tuple[str, str, Any]
"""Method, address and JSON body of the request that creates a resource."""


def ensure(
    *, get: str, create: Creation, found: Callable[[HttpReply], Any] | None = None, **options: Unpack[CallOptions]
) -> HttpReply:
    """Create a resource if GET says that it is not there; return the reply of GET, or of the creation.

    `create` = method, address and JSON body. The resource is there if `get` answers 2xx and `found(reply)` is true (default: always);
    404 and 410 mean that it is not. The options are those of a request, for both addresses.

    Safe to run twice because GET is asked first, and the ledger lets one caller at a time create. If the outcome of a creation is
    unknown, GET is asked again.

    Example:
        http.ensure(get=f"{api}/users/ann", create=("POST", f"{api}/users", {"name": "ann"}))

    Raises:
        MainspringError: a failure of either request, as `http.request` raises it.
    """
    refuse_event_loop(_NAME)
    resource = _Resource(get, create, found, options)
    reply = run_blocking(_NAME, resource.find)
    if reply is not None:
        return reply
    effect = resource.make_effect(lambda: run_blocking(_NAME, resource.find))
    created: HttpReply = effect.call(
        lambda: run_blocking(_NAME, lambda: resource.find_or_create(effect)),
        reply_reader(effect.key, resource.creation),
    )
    return created


async def ensure_async(
    *, get: str, create: Creation, found: Callable[[HttpReply], Any] | None = None, **options: Unpack[CallOptions]
) -> HttpReply:
    """Create a resource if GET says that it is not there, as `ensure` does.

    Safe to run twice because GET is asked first, and one caller at a time creates.
    """
    refuse_body(f"{_NAME}_async")
    resource = _Resource(get, create, found, options)
    reply = await resource.find()
    if reply is not None:
        return reply
    effect = resource.make_effect(resource.find)
    created: HttpReply = await effect.call_async(
        lambda: resource.find_or_create(effect), reply_reader(effect.key, resource.creation)
    )
    return created


class _Resource:
    """One resource, and the requests that find and create it."""

    def __init__(
        self, get: str, create: Creation, found: Callable[[HttpReply], Any] | None, options: CallOptions
    ) -> None:
        if not isinstance(create, tuple | list) or len(create) != 3:
            raise OptionError("create= is not (method, url, body)", hint='Write create=("POST", url, {"name": "a"}).')
        common: Any = {name: value for name, value in options.items() if name not in ("json", "data", "params")}
        reading = prepare_call("GET", get, common)
        self._reading: PreparedCall = replace(reading, expect=reading.expect | MISSING)
        common["json"] = create[2]
        self.creation = prepare_call(create[0], create[1], common)
        self._found = found

    async def find(self) -> HttpReply | None:
        """Return the reply of GET if the resource is there."""
        reply = await send_call(self._reading)
        is_there = reply.status not in MISSING and (self._found is None or self._found(reply))
        return reply if is_there else None

    async def find_or_create(self, effect: Effect) -> HttpReply:
        """Create the resource, unless another caller has created it meanwhile."""
        reply = await self.find()
        if reply is not None:
            return reply
        try:
            return await send_call(self.creation.with_headers({KEY_HEADER: f'"{effect.idempotency_key}"'}))
        except HttpStatusError as error:
            reply = await self.find() if error.status == _CONFLICT else None
            if reply is None:
                raise
            return reply

    def make_effect(self, check: Check) -> Effect:
        """Return the effect of the creation. Its key says which resource is meant: both addresses, with `found` also the body."""
        parts = [self.creation.method, self.creation.url, self._reading.url]
        if self._found is not None:  # GET returns a list, which is that of other resources too
            parts.append(self.creation.identity["body"])
        digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
        key = f"{_NAME} {self.creation.url.partition('?')[0][:200]} #{digest}"
        effect = effect_of_action(_NAME, once=key, check=check, within=_WINDOW)
        assert effect is not None
        return effect
