"""An attempt that gives no sign of life, as it stands on record."""

from msgspec import Struct


class Stall(Struct, frozen=True):
    """`since_at` = its last sign of life, or its start (ms UTC).

    `stack` = where it stood when that was found: frames "file:line function" outermost first, or the processes of its command.
    """

    run: str
    ident: str
    step: str
    attempt: int
    since_at: int
    stack: tuple[str, ...]
