"""A load problem: it disables some automations. Users see it; it is not only logged."""

import msgspec

PROBLEMS_KEY = "problems"
"""The entry of `meta` with the load problems, as JSON."""


class LoadProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem: `where` = its place, `what` is wrong, `how` to fix it.

    `automation` = the disabled automation; `target` = the file or module whose automations are all disabled.
    """

    where: str
    what: str
    how: str
    automation: str = ""
    target: str = ""

    @property
    def file(self) -> str:
        """The file or module that has it."""
        file, _, line = self.where.rpartition(":")
        return self.target or (file if line.isdecimal() else self.where)


def decode_problems(data: str | None) -> list[LoadProblem]:
    """Return the problems that `encode_problems` wrote; none if they cannot be read."""
    try:
        return msgspec.json.decode(data or "[]", type=list[LoadProblem])
    except msgspec.MsgspecError:
        return []
