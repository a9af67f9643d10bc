"""Export of a wrapped command's trace, after its end, by the process that wrapped it: there is no other.

Invariant: the command's end is recorded before, and waits for nothing here. This process waits two seconds at most. Without --verbose it
prints nothing on stderr, which cron would mail.
"""

import threading

from mainspring.app.setup.secrets import make_secret_store
from mainspring.config import Settings
from mainspring.engine.commands.exec_run import ExecRunEnd
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.commands.runs import StartRun

EXPORT_TIMEOUT_S = 2.0


def export_own_trace(settings: Settings, begin: StartRun, end: ExecRunEnd) -> str | None:
    """Send the trace, if a collector is configured. Return why it was not sent. Never raises."""
    if settings.otel.endpoint is None:
        return None
    faults: list[str] = []
    thread = threading.Thread(target=_send_trace, args=(settings, begin, end, faults), daemon=True)
    thread.start()
    thread.join(EXPORT_TIMEOUT_S)
    if thread.is_alive():
        return f"the collector did not answer within {EXPORT_TIMEOUT_S:g} s"
    return faults[0] if faults else None


def _send_trace(settings: Settings, begin: StartRun, end: ExecRunEnd, faults: list[str]) -> None:
    try:
        # Imported late: a command without a collector does not need it.
        from mainspring.alerting.otlp.attributes import check_installed
        from mainspring.alerting.otlp.collector import TRACES
        from mainspring.alerting.traces.exec_spans import make_exec_spans
        from mainspring.alerting.traces.otlp import encode_spans
        from mainspring.app.setup.tracing import make_collector, resource_attributes
        from mainspring.engine.attempts.processes.process_lifetime import protect_memory

        check_installed()
        protect_memory(with_commands=False)
        collector = make_collector(settings, make_secret_store(settings), TRACES, EXPORT_TIMEOUT_S)
        try:
            collector.send(
                encode_spans(make_exec_spans(begin, end), resource_attributes(settings), KNOWN_SECRETS.redact)
            )
        finally:
            collector.close()
    except Exception as error:  # noqa: BLE001 - the command has ended, and its exit code is its own
        faults.append(" ".join(KNOWN_SECRETS.redact(f"{error}").splitlines()) or type(error).__name__)
