"""Where the signs of running attempts arrive.

Lines go to their desk, child processes are recorded, locks are asked for; the rest goes to the driver.
"""

from mainspring.engine.attempt_spec import AttemptSpec
from mainspring.engine.hosting import Aboard
from mainspring.engine.line_desk import LineDesk
from mainspring.engine.run_services import ignore
from mainspring.engine.signs import (
    BeganSign,
    CheckpointSign,
    EndedSign,
    LockSign,
    LogSign,
    ProcessSign,
    Sign,
    SignKind,
    UnlockSign,
)
from mainspring.resources.locks import AttemptLocks
from mainspring.store.base import Store
from mainspring.store.commands.journal import RecordProcess


class SignDesk:
    """Used in the loop's thread."""

    def __init__(self, store: Store, aboard: Aboard, locks: AttemptLocks, lines: LineDesk) -> None:
        self._store = store
        self._lines = lines
        self._aboard = aboard
        self._locks = locks

    def take(self, spec: AttemptSpec | None, _kind: SignKind, sign: Sign) -> None:
        """Take a sign of life of an attempt (`spec`) or of a child process."""
        if isinstance(sign, ProcessSign):
            ack = sign.ack
            known = ignore if ack is None else lambda result: ack(result if isinstance(result, Exception) else None)
            self._store.submit(RecordProcess(sign.pgid, sign.started, ended=sign.ended), known)
            return
        if spec is not None and isinstance(sign, LockSign | UnlockSign):
            owner = f"{spec.run_id}/{spec.ident} (attempt {spec.attempt})"
            if isinstance(sign, LockSign):
                self._locks.ask(owner, sign.number, sign.name, sign.within_s, sign.answer)
            else:
                self._locks.let_go(owner, sign.number)
            return
        if spec is not None and isinstance(sign, BeganSign):
            self._lines.life.attempt_began(spec)
            return
        if spec is not None and isinstance(sign, EndedSign):
            self._lines.end(spec, sign)
            return
        is_line = isinstance(sign, LogSign)
        find = self._aboard.drivers.get if is_line else self._aboard.driver_of  # a line of log changes nothing
        driver = find(spec.run_id) if spec is not None else None
        if driver is not None and spec is not None:
            try:
                driver.steps.sign(spec, sign)
            except Exception as error:
                if not isinstance(sign, CheckpointSign):
                    raise
                sign.ack(error)
        if spec is not None and isinstance(sign, LogSign):
            self._lines.take(spec, sign)
