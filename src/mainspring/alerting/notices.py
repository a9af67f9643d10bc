"""What a Notifier tells: alerts as notices, with what the definition of their automation says of owner and runbook."""

from collections.abc import Callable, Sequence

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.domain.notifications.digest import render_digest
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.notifications.failed_items import FailedItems
from mainspring.domain.notifications.notification import Notification, NotificationField
from mainspring.domain.notifications.rendering import NotificationContext, render_notification
from mainspring.store.commands.alerts import DueAlert


class NoticeRenderer:
    """`definition_of` = the last good definition by an automation's name, `runbook_of` = where its runbook speaks of an incident.

    `signs` = the early signs of now, `around` = what all notices say alike, `link_of` = where an incident can be seen; None = nowhere.
    `items_of` = what the failed runs of an incident are about.
    `audit_head` = the last act of the audit log: who keeps a message can see later that none was cut off.
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
    ) -> None:
        self._definition_of = definition_of
        self._runbook_of = runbook_of
        self._signs = signs
        self._around = around
        self._link_of = link_of
        self._audit_head = audit_head
        self._items_of = items_of

    def __call__(self, alerts: tuple[DueAlert, ...]) -> Notification:
        """Return the notice of one alert, or the digest of those of the lowest severity; each tells the head of the audit log."""
        notice, head = self._notice(alerts), self._audit_head()
        if head is None:
            return notice
        return msgspec.structs.replace(notice, fields=(*notice.fields, NotificationField("Audit log", str(head))))

    def _notice(self, alerts: tuple[DueAlert, ...]) -> Notification:
        first = alerts[0]
        if first.incident is None or first.is_digest:
            incidents = [one.incident for one in alerts if one.incident is not None]
            signs = self._signs() if len(incidents) < len(alerts) else ()
            return render_digest(first.id, incidents, first.at, self._around, signs, self._items_of)
        items = self._items_of(first.incident)
        return render_notification(first.id, first.about, first.at, first.incident, self._of(first.incident), items)

    def _of(self, incident: Incident) -> NotificationContext:
        automation = incident.subject.automation
        around = msgspec.structs.replace(self._around, link=self._link_of(incident))
        if not automation:
            return around
        definition = self._definition_of(automation)
        named = {} if definition is None else {name: definition.option(name) for name in ("owner", "team")}
        return msgspec.structs.replace(around, runbook=self._runbook_of(definition, incident), **named)
