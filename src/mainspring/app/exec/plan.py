"""Plan of one `exec` call, and the exit codes of `exec` itself."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from mainspring.app.exec.best_effort_store import BestEffortStore
from mainspring.app.exec.signal_forwarding import print_notice
from mainspring.app.setup.failure_rules import make_classifier
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.engine.commands.exec_run import NOT_STARTED, ExecRunEnd, ExecRunSpec
from mainspring.store.commands.runs import StartRun
from mainspring.store.process_store import ProcessStore

FAILURE_EXIT_CODE = NOT_STARTED
LOCK_HELD_EXIT_CODE = 75
"""EX_TEMPFAIL: nothing ran, try again. Not 0, which would tell the caller that the work is done."""


def skip_outage_report(ledger: BestEffortStore | None) -> None:
    """Report no outage: the command's own messages are enough."""


class PassedSecrets(msgspec.Struct, frozen=True):
    """Secrets that a command gets: variables with values or with paths of descriptors, the descriptors, and the uses to record."""

    variables: dict[str, str] = {}
    descriptors: tuple[int, ...] = ()
    uses: tuple[SecretUse, ...] = ()

    def __repr__(self) -> str:
        return f"<{len(self.variables)} secrets of a command>"


class ExecPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one `exec` call: what to do, and where its records go (`spool` None = no place).

    `spare_spool` = where they go if nothing can be created in `spool`. `store_folder` = the folder of the store: it is not created,
    and nothing in it if the store proves to be a folder or file of another kind.
    `claimed` = the store is known to which the records in `spool` belong; otherwise `config` = the invalid file that would name it.
    `unclaimed_spool` = records of this project from such a time.
    """

    wrapping: ExecRunSpec
    store: str | Path | None
    spool: Path | None
    spare_spool: Path | None = None
    store_folder: Path | None = None
    unclaimed_spool: Path | None = None
    claimed: bool = True
    config: str | None = None
    lock: str | None = None
    slots: int = 1
    lock_wait: timedelta = timedelta(0)
    lock_exit: int = LOCK_HELD_EXIT_CODE
    rules: tuple[str, ...] = ()
    """The user's failure rules, "module:name", imported from `folder` too."""
    folder: Path = Path()
    watch: Callable[[ProcessStore, str], None] | None = None
    """Called with the store and the automation's name when the end is recorded; None = other processes watch."""
    report_outage: Callable[[BestEffortStore | None], None] = skip_outage_report
    """Called with the store once the end is recorded, or in the spool: reports that the store is lost, or back."""
    report_unrecorded: Callable[[str, str, str], None] | None = None
    """Called with the automation, the failure and the reason if a failed run could not be recorded anywhere."""
    trace: Callable[[StartRun, ExecRunEnd], str | None] | None = None
    """Called with the run's start and end. Returns why the trace was not sent. None = no trace."""
    secrets: PassedSecrets = PassedSecrets()
    """The secrets for the command."""
    refusal: MainspringError | None = None
    """Why the command cannot run, such as a secret that is not set. The run is recorded as failed."""
    fail_open: bool = True
    verbose: bool = False

    def classifier(self) -> Classifier | None:
        """Return the user's rules. If they cannot be imported, print a notice: then only the table of errors classifies."""
        try:
            return make_classifier(self.rules, self.folder)
        except MainspringError as error:
            print_notice(f"{error.message}: failures are classified without it")
            return None
