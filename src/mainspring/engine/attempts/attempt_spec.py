"""The spec of one attempt of one step: the function to call, how, and within which limits."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.function_signature import Signature


class AttemptSpec(msgspec.Struct, kw_only=True):
    """One attempt to make. `input` = canonical bytes of the call; `args` and `kwargs` = the same call as live values.

    `isolate` = result of `choose_isolation`; `checkpoint` = last value saved by earlier attempts; `slot_at` = due time
    (ms UTC) of the run's schedule slot; `payload_max` = largest result or checkpoint in bytes of JSON; `is_first` = no code of this step
    has run before. `heartbeat` = the longest silence; `overlaps` = the next attempt may begin while the code of this one still runs.
    `headers` = those of the run as JSON.
    """

    run_id: str
    ident: str
    name: str
    key: str
    attempt: int
    generation: int = 0
    fn: Callable[..., Any]
    signature: Signature
    input: bytes = b"{}"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    isolate: str = "loop"
    timeout: timedelta | None = None
    heartbeat: timedelta | None = None
    overlaps: bool = False
    checkpoint: bytes | None = None
    slot_at: int | None = None
    automation: str = ""
    version: int = 1
    payload_max: int = DEFAULT_LIMIT
    is_first: bool = False
    headers: bytes | None = None
