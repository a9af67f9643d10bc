"""Notifications as channels receive them: finished text about one incident, the same fields on every channel.

The first line fits a lock screen. Invariant: all text was redacted and made printable before; a channel adds its form only.
"""

from enum import StrEnum

import msgspec

from mainspring.domain.incidents.incident import Severity


class NotificationEvent(StrEnum):
    """The event of the incident that a notification is about."""

    OPENED = "opened"
    REOPENED = "reopened"
    REPEATED = "repeated"
    """It has been open for long, or has become louder."""
    ESCALATED = "escalated"
    """No one has acknowledged it in time."""
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    TEST = "test"
    """A person tries the channel; there is no incident."""
    DIGEST = "digest"
    """A summary of many items that need no one now."""


class NotificationField(msgspec.Struct, frozen=True):
    """One labelled part: What, Items, Since, Impact, Changed, Do, Owner, Command."""

    label: str
    text: str


class NotificationLink(msgspec.Struct, frozen=True):
    """A page to open: it only shows, operations are buttons on it."""

    text: str
    url: str


class NotificationButton(msgspec.Struct, frozen=True):
    """A button of a message, for channels that have them: `value` = what a press sends, or `url` = the page that it opens."""

    text: str
    value: str = ""
    url: str = ""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification. `key` is the same for all notifications of one opening of an incident, `id` for this one alone."""

    id: str
    key: str
    about: NotificationEvent
    severity: Severity
    headline: str
    """"[page] backup: no success for 26 h (expected daily 03:00 Europe/Berlin)"; at most 200 characters."""
    fields: tuple[NotificationField, ...] = ()
    items: tuple[str, ...] = ()
    """Of failed runs, what up to three of them are about: the title of a run, else its item."""
    links: tuple[NotificationLink, ...] = ()
    buttons: tuple[NotificationButton, ...] = ()
    automation: str = ""
    owner: str | None = None
    team: str | None = None
    environment: str = "production"
    project: str | None = None
    at: int = 0
    """The instant of the event (ms UTC)."""

    @property
    def body(self) -> str:
        """The fields and links as lines of plain text, labels in one column."""
        width = max((len(field.label) for field in self.fields), default=0)
        lines = [f"{field.label:<{width}}  {field.text}" for field in self.fields]
        return "\n".join(lines + [f"{link.text}: {link.url}" for link in self.links])
