"""What the tests of channels tell."""

import time

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError
from mainspring.domain.incident import Severity
from mainspring.domain.notice import About, Field, Link, Notice
from mainspring.resources.fault_text import FaultText

CLOCK = SystemClock()


def notice(about=About.OPENED, id="a_1", key="mainspring:i_1:1", **more):
    fields = {
        "severity": Severity.PAGE,
        "headline": f"[page] backup: {about.value}",
        "fields": (Field("What", "403 & <!channel> *denied*"), Field("Do", "look")),
        "links": (Link("Open", "https://ops.example.com/incidents/i_1"),),
        "automation": "backup",
        "at": round(time.time() * 1000),
    }
    return Notice(id=id, key=key, about=about, **(fields | more))


def secrets(**values):
    """Secrets of a test, and the text of faults that hides them."""

    class Known:
        def get(self, name):
            if name not in values:
                raise ConfigError(f"the secret {name!r} is not set")
            return values[name]

    return FaultText(Known())
