"""Notices that a notifier sends: alerts as notifications, with owner and runbook from the definition of their automation."""

from collections.abc import Callable, Sequence

import msgspec

from mainspring.alerting.inputs.failure_groups import Redact
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.domain.notifications.digest import render_digest
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.notifications.notification import Notification, NotificationButton, NotificationField
from mainspring.domain.notifications.rendering import (
    FailedItems,
    NotificationContext,
    collect_failed_items,
    render_notification,
)
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.base import StoreReader
from mainspring.store.commands.alerts import DueAlert
from mainspring.store.read.incidents import members, run_items

_READ_AT_MOST = 50


class QuestionAnswers(msgspec.Struct, frozen=True):
    """How the question of an incident can be answered from a message: with a button for each choice, or on the page with its `form`."""

    buttons: tuple[NotificationButton, ...] = ()
    form: str | None = None


NO_ANSWERS = QuestionAnswers()


class NoticeRenderer:
    """Render alerts as notices.

    `definition_of` = the last good definition by the name of an automation, `runbook_of` = the link into its runbook for an incident.
    `signs` = the early warnings of now, `around` = what all notices share, `link_of` = the link to an incident; None = no link. `items_of`
    = the items of the failed runs of an incident. `answers_of` = how the question of an incident can be answered. `audit_head` = the
    last entry of the audit log, so that a reader can later detect that entries were cut off.
    """

    def __init__(
        self,
        definition_of: Callable[[str], Definition | None],
        runbook_of: Callable[[Definition | None, Incident], str | None],
        signs: Callable[[], Sequence[EarlyWarning]],
        around: NotificationContext,
        link_of: Callable[[Incident], str | None] = lambda _: None,
        audit_head: Callable[[], AuditHead | None] = lambda: None,
        items_of: Callable[[Incident], FailedItems] = lambda _: FailedItems(),
        answers_of: Callable[[Incident], QuestionAnswers] = lambda _: NO_ANSWERS,
    ) -> None:
        self._definition_of = definition_of
        self._runbook_of = runbook_of
        self._signs = signs
        self._around = around
        self._link_of = link_of
        self._audit_head = audit_head
        self._items_of = items_of
        self._answers_of = answers_of

    def __call__(self, alerts: tuple[DueAlert, ...]) -> Notification:
        """Return the notice of one alert, or the digest of alerts of the lowest severity; each names the head of the audit log."""
        notice, head = self._render(alerts), self._audit_head()
        if head is None:
            return notice
        return msgspec.structs.replace(notice, fields=(*notice.fields, NotificationField("Audit log", str(head))))

    def _render(self, alerts: tuple[DueAlert, ...]) -> Notification:
        first = alerts[0]
        if first.incident is None or first.is_digest:
            incidents = [alert.incident for alert in alerts if alert.incident is not None]
            signs = self._signs() if len(incidents) < len(alerts) else ()
            return render_digest(first.id, incidents, first.at, self._around, signs, self._items_of)
        items = self._items_of(first.incident)
        return render_notification(
            first.id, first.about, first.at, first.incident, self._build_context(first.incident), items
        )

    def _build_context(self, incident: Incident) -> NotificationContext:
        automation = incident.subject.automation
        answers = self._answers_of(incident)
        around = msgspec.structs.replace(
            self._around, link=self._link_of(incident), buttons=answers.buttons, form=answers.form
        )
        if not automation:
            return around
        definition = self._definition_of(automation)
        owners = {} if definition is None else {name: definition.option(name) for name in ("owner", "team")}
        return msgspec.structs.replace(around, runbook=self._runbook_of(definition, incident), **owners)


def read_incident_items(reader: StoreReader, incident: Incident, redact: Redact) -> FailedItems:
    """Return what the open failed runs of an incident are about; where none is open, what all of them were about.

    A title that a codec sealed stays sealed: a message leaves the store, so the item is named instead, as in a list without the codec.
    """
    counts = members(reader, [incident.id]).get(incident.id)
    if counts is None:
        return FailedItems()
    opening = RowUnsealer(PLAIN_SEALING, lenient=True)
    rows = [row for row in run_items(reader, incident.id, _READ_AT_MOST) if row.is_open or not counts.open]
    # Redacted first, then cut: half of a secret would not be recognized.
    items = [redact(opening.text(row.title) or row.item) for row in rows]
    return collect_failed_items(items, counts.open or counts.failed)
