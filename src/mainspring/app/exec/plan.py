"""What one call of `exec` was asked for, and the exit codes that are its own."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from mainspring.app.exec.best_effort_store import BestEffortStore
from mainspring.app.exec.signal_forwarding import print_notice
from mainspring.app.setup.failure_rules import make_classifier
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import Classifier
from mainspring.engine.commands.exec_run import ExecRunEnd, ExecRunSpec
from mainspring.store.commands.runs import StartRun
from mainspring.store.process_store import ProcessStore

FAILURE_EXIT_CODE = 125
LOCK_HELD_EXIT_CODE = 75
"""EX_TEMPFAIL: nothing ran, come again. Not 0, which would tell whoever asks that the work is done."""


def skip_outage_report(ledger: BestEffortStore | None) -> None:
    """Leave it to the command's own words."""


class ExecPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `exec` was asked for, and where its records go (`spool` None = there is no place).

    `spare_spool` = where they go if the store proves to be none: nothing is made beside a folder or file of another kind.
    `claimed` = a store is known to which what is in `spool` belongs.
    """

    wrapping: ExecRunSpec
    store: str | Path | None
    spool: Path | None
    spare_spool: Path | None = None
    claimed: bool = True
    lock: str | None = None
    lock_wait: timedelta = timedelta(0)
    lock_exit: int = LOCK_HELD_EXIT_CODE
    rules: tuple[str, ...] = ()
    """The user's rules for failures, "module:name", looked for in `folder` too."""
    folder: Path = Path()
    watch: Callable[[ProcessStore, str], None] | None = None
    """Called with the store and the automation's name when the end is on record; None = others watch."""
    told: Callable[[BestEffortStore | None], None] = skip_outage_report
    """Called with the store once the end is on record, or in the spool: whoever tells that it is lost, or back."""
    trace: Callable[[StartRun, ExecRunEnd], str | None] | None = None
    """Called with how the run began and ended; it returns what kept it from being told. None = nobody is told."""
    fail_open: bool = True
    verbose: bool = False

    def classifier(self) -> Classifier | None:
        """Return the user's rules; where they cannot be had, say so: the table alone judges then."""
        try:
            return make_classifier(self.rules, self.folder)
        except MainspringError as error:
            print_notice(f"{error.message}: failures are judged without it")
            return None
