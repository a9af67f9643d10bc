"""The options of one start, for all that start runs: an app, a client, a schedule, a trigger, a body."""

from typing import Literal, get_args

import msgspec

KeyPolicy = Literal["reuse", "restart", "replace"]
KEY_POLICIES: tuple[KeyPolicy, ...] = get_args(KeyPolicy)


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one start; None = as in the definition.

    `key_policy`: a key whose run failed or was cancelled answers with that run ("reuse") or starts a new one ("restart");
    "replace" is for a run that restarts as its own successor, and never for people. `due_at` = the
    earliest instant (ms UTC). `tags` are added to the definition's. `item` = the subject of the run, if its definition has none;
    `awaited` = the caller waits for the result.
    """

    key: str | None = None
    key_policy: KeyPolicy = "reuse"
    key_expires_at: int | None = None
    due_at: int | None = None
    queue: str | None = None
    priority: int | None = None
    tag: str | None = None
    tags: dict[str, str] | None = None
    title: str | None = None
    item: str | None = None
    awaited: bool = False
