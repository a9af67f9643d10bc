"""A problem: something that kept part of the automations from being there. It is shown, not only logged."""

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`where` it stands, `what` is wrong, `how` to mend it.

    `automation` = the one that it keeps out; `target` = the file or module of which it keeps out all.
    """

    where: str
    what: str
    how: str
    automation: str = ""
    target: str = ""
