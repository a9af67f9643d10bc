"""What the tests of channels tell."""

import time

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.notification import (
    Notification,
    NotificationEvent,
    NotificationField,
    NotificationLink,
)
from mainspring.resources.error_text import ErrorText

CLOCK = SystemClock()


def notice(about=NotificationEvent.OPENED, id="a_1", key="mainspring:i_1:1", **more):
    fields = {
        "severity": Severity.PAGE,
        "headline": f"[page] backup: {about.value}",
        "fields": (NotificationField("What", "403 & <!channel> *denied*"), NotificationField("Do", "look")),
        "links": (NotificationLink("Open", "https://ops.example.com/incidents/i_1"),),
        "automation": "backup",
        "at": round(time.time() * 1000),
    }
    return Notification(id=id, key=key, about=about, **(fields | more))


def secrets(**values):
    """Secrets of a test, and the text of faults that hides them."""

    class Known:
        def get(self, name):
            if name not in values:
                raise ConfigError(f"the secret {name!r} is not set")
            return values[name]

    return ErrorText(Known())
