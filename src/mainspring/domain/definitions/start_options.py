"""The options of one start, for all that start runs: an app, a client, a schedule, a trigger, a body."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from mainspring.domain.failures.retry import Retry

KeyPolicy = Literal["reuse", "restart", "one_live", "replace"]
KEY_POLICIES: tuple[KeyPolicy, ...] = get_args(KeyPolicy)
CONTINUES: Final = "continue"
"""The policy of a run that continues another one: it takes over the key."""


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one start; None = as in the definition.

    `key_policy` decides what a start does if its key has a run already:

    - "reuse": the answer is that run, whatever its state.
    - "restart": the same, but a failed or cancelled run is followed by a new one.
    - "one_live": the answer is that run if it has not ended; otherwise a new one.
    - "replace": that run is cancelled, and the new one begins when it has ended. A later start takes the place of one that has not begun.

    `join` = "any": with "one_live" another input joins the live run, too. `request_id` = the id of this start: sent again within 24
    hours it gets the same run. `due_at` = the earliest instant (ms UTC). `tags` are added to the definition's. `item` = the subject of
    the run, if its definition has none; `retry` = the policy by which the run continues after it failed; `awaited` = the caller waits for
    the result. `headers` = texts that go from this run to all that follows from it (`domain.runs.run_headers`).
    """

    key: str | None = None
    key_policy: KeyPolicy | Literal["continue"] = "reuse"
    join: Literal["same", "any"] = "same"
    request_id: str | None = None
    key_expires_at: int | None = None
    due_at: int | None = None
    queue: str | None = None
    priority: int | None = None
    tag: str | None = None
    tags: dict[str, str] | None = None
    title: str | None = None
    item: str | None = None
    retry: Retry | int | Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    awaited: bool = False
