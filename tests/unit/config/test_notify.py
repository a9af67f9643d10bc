"""`[notify]`: channels, routes, times; whose they are in which environment; what is refused."""

from datetime import timedelta

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.incidents.incident import Severity

CHANNELS = '[notify.channels]\nops = "slack://secret:bot/#ops"\n'


def test_channels_and_routes_are_read(read):
    """A channel is one line of text, a route a table, and the times have their defaults."""
    text = f"""{CHANNELS}
[[notify.route]]
match = {{ severity = "page", team = ["billing", "data"] }}
to = ["ops"]
quiet = "22:00-7:00"
[[notify.maintenance]]
from = 2026-11-01T22:00:00
to = "2026-11-02T02:00"
[notify]
repeat = "2h"
"""
    notify = read(text).notify
    assert notify.channels == {"ops": "slack://secret:bot/#ops"}
    (route,) = notify.route
    assert route.to == ("ops",)
    assert route.quiet == "22:00-07:00"
    assert route.match.severity == (Severity.PAGE,)
    assert route.match.team == ("billing", "data")
    assert notify.maintenance[0].begin == "2026-11-01T22:00"
    assert (notify.repeat, notify.group_wait) == (timedelta(hours=2), timedelta(seconds=30))


def test_settings_are_described_as_written(read):
    """`doctor --config` shows routes as tables, with the keys of the file."""
    text = f'{CHANNELS}[[notify.route]]\nto = "ops"\n[[notify.maintenance]]\nfrom = "2026-11-01T22:00"\nto = "2026-11-02T02:00"\n'
    described = {path: value for path, value, _ in read(text).describe()}
    assert described["notify.channels.ops"] == "slack://secret:bot/#ops"
    assert described["notify.route"] == [{"to": ("ops",), "match": {}}]
    assert described["notify.maintenance"] == [{"from": "2026-11-01T22:00", "to": "2026-11-02T02:00", "match": {}}]


def test_channel_may_be_set_by_a_variable(read):
    """A container needs no file."""
    settings = read("", {"MAINSPRING_NOTIFY_CHANNELS__OPS": "pagerduty://secret:pd"})
    assert settings.notify.channels == {"ops": "pagerduty://secret:pd"}


def test_channels_of_all_are_those_of_production_only(read):
    """No one is woken by a trial: another environment tells only where its own tables say."""
    text = f'{CHANNELS}[[notify.route]]\nto = "ops"\n[notify]\nrepeat = "2h"\n[environments.dev.notify.channels]\nme = "terminal"\n'
    assert set(read(text).notify.channels) == {"ops"}
    notify = read(text, {"MAINSPRING_PROJECT_ENVIRONMENT": "dev"}).notify
    assert notify.channels == {"me": "terminal"}
    assert notify.route == ()
    assert notify.repeat == timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[notify.channels]\nops = "slack://xoxb-p4ss-1234/#ops"', "must not contain a secret"),
        ('[notify.channels]\nOps = "terminal"', "is not a valid name of a channel"),
        ("[notify.channels]\nops = 7", "expected text"),
        (f'{CHANNELS}[[notify.route]]\nto = "opps"', "unknown channel 'opps'"),
        (f'{CHANNELS}[[notify.route]]\nto = "ops"\nmatch = {{ team = 7 }}', "expected a text or a list of texts"),
        ('[notify]\nrepeet = "2h"', "unknown setting `notify.repeet`"),
        ('[notify]\ndigest = "noon"', "not a valid time of a digest"),
        ('[notify]\nrepeat = "0s"', "above zero"),
        ("[notify]\nwatchdog = 7", "expected text"),
    ],
)
def test_notify_that_cannot_be_used_is_refused(read, text, reason):
    """The error says what is wrong and where, and repeats no secret."""
    with pytest.raises(ConfigError, match=reason) as caught:
        read(text)
    assert "mainspring.toml:" in str(caught.value)
    assert "p4ss" not in str(caught.value)
