"""What `[notify]` of the configuration makes."""

import re
from pathlib import Path

import pytest

from mainspring.app.alerting.channels import channel_addresses, make_routing, notice_context, open_links
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import NotificationEvent
from tests.unit.alerting.notices import secrets

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "notifications.md"


@pytest.fixture
def read(tmp_path):
    """Load a file's text."""

    def read(text):
        (tmp_path / "mainspring.toml").write_text(text)
        return load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234)

    return read


def test_examples_of_the_page_are_a_configuration(read):
    """All blocks of the page together load, and route as the page says."""
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    settings = read("".join(blocks))
    routing = make_routing(settings)

    def report(severity, **more):
        attributes = IncidentAttributes(subject=Subject("billing-day", IncidentKind.SILENCE), severity=severity, **more)
        return [target.channel for target in routing.targets(attributes, NotificationEvent.OPENED, 0)]

    assert report(Severity.PAGE) == ["ops", "page"]
    assert report(Severity.NOTIFY, team="billing") == ["ops"]
    assert report(Severity.NOTIFY) == ["mail", "ops", "page"]
    assert {type(link).__name__ for link in open_links(settings, secrets(), SystemClock()).values()} == {
        "SlackLink",
        "PagerDutyLink",
        "MailLink",
        "TerminalLink",
    }


def test_times_and_zone_are_those_of_the_configuration(read):
    """Spans become milliseconds; the zone is the project's."""
    settings = read('[project]\nname = "ops"\ntimezone = "Europe/Berlin"\n[notify]\ngroup_wait = "5s"\nrepeat = "1h"\n')
    routing = make_routing(settings)
    assert (routing.group_wait_ms, routing.repeat_ms, routing.escalate_after_ms) == (5_000, 3_600_000, 900_000)
    assert routing.zone.key == notice_context(settings).zone.key == "Europe/Berlin"


def test_terminal_is_always_a_channel(read):
    """Where nothing is configured it is the one that is reported; a channel may have its name."""
    assert channel_addresses(read("")) == {"terminal": "terminal"}
    assert channel_addresses(read('[notify.channels]\nterminal = "pagerduty://secret:x"\n')) == {
        "terminal": "pagerduty://secret:x"
    }
