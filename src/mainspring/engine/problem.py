"""A problem: something that kept part of the automations from being there. It is shown, not only logged."""

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`where` it stands, `what` is wrong, `how` to mend it."""

    where: str
    what: str
    how: str
