"""One attempt of one step: what is to be called, how, and within which bounds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.function_signature import Signature


class AttemptSpec(msgspec.Struct, kw_only=True):
    """`input` are the canonical bytes of the call; `args` and `kwargs` the same call as live values.

    `isolate` is the answer of `choose_isolation`; `checkpoint` what earlier attempts saved last; `slot_at` the due time
    (ms UTC) of the schedule's slot that the run serves; `payload_max` the largest result or checkpoint in bytes of JSON.
    """

    run_id: str
    ident: str
    name: str
    key: str
    attempt: int
    fn: Callable[..., Any]
    signature: Signature
    input: bytes = b"{}"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    isolate: str = "loop"
    timeout: timedelta | None = None
    checkpoint: bytes | None = None
    slot_at: int | None = None
    automation: str = ""
    payload_max: int = DEFAULT_LIMIT
