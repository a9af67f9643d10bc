"""A problem: something that kept part of the automations from being there. It is shown, not only logged."""

import msgspec

PROBLEMS_KEY = "problems"
"""The entry of `meta` that holds what kept automations from loading, as JSON."""


class LoadProblem(msgspec.Struct, frozen=True, kw_only=True):
    """`where` it stands, `what` is wrong, `how` to mend it.

    `automation` = the one that it keeps out; `target` = the file or module of which it keeps out all.
    """

    where: str
    what: str
    how: str
    automation: str = ""
    target: str = ""


def decode_problems(data: str | None) -> list[LoadProblem]:
    """Return the problems that `problems_as_data` wrote; none of what cannot be read."""
    try:
        return msgspec.json.decode(data or "[]", type=list[LoadProblem])
    except msgspec.MsgspecError:
        return []
