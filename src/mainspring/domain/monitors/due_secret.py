"""A secret that has a date, as a fact."""

from msgspec import Struct


class DueSecret(Struct, frozen=True):
    """A secret that has to be renewed by the begin of a day, `due_at`; `used_by` = what is known to need it, in words."""

    name: str
    day: str
    due_at: int
    used_by: tuple[str, ...] = ()
