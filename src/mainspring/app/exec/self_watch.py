"""Self-watch after a wrapped command, where no process of Mainspring stays: evaluate the monitors and notify.

Invariant: it changes nothing of the command's own record, which is saved before, and takes no longer than its limit.
"""

from mainspring.app.exec.signal_forwarding import print_notice
from mainspring.config import Settings
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.incidents import is_alert_due

WATCH_TIMEOUT_S = 10.0


def watch_own_automation(settings: Settings, store: ProcessStore, automation: str) -> None:
    """Evaluate if a failure is unreported, an alert is due or the automation has an incident, and notify of what is due. Never raises.

    Without a configured channel the caller already has the command's output. What cannot be sent within ten seconds
    stays in the store, for the next call or `mainspring watch`.
    """
    try:
        if settings.notify.channels and (
            store.reader.read("has_incident_concern", (automation,)) or is_alert_due(store.reader, store.clock.now())
        ):
            # Imported late: a command that succeeds needs none of it.
            from mainspring.app.alerting.watcher import evaluate_and_notify  # noqa: PLC0415

            evaluate_and_notify(settings, store, within_s=WATCH_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - the command has ended, and its exit code is its own
        print_notice(
            f"{automation}: its end could not be notified: {KNOWN_SECRETS.redact(f'{type(error).__name__}: {error}')}"
        )
