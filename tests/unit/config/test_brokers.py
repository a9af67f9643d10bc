"""Brokers to which steps send: how they are named, whose they are in which environment, what is refused."""

import pytest

from mainspring.config.settings import BrokerSettings
from mainspring.domain.errors import ConfigError


def test_brokers_are_named_by_text_or_table(read):
    """A bare address is that of a broker."""
    settings = read('[brokers]\norders = "nats://h:4222"\nmail = { url = "redis://{secret:R}@h/0" }\n')
    assert settings.brokers == {
        "orders": BrokerSettings(url="nats://h:4222"),
        "mail": BrokerSettings(url="redis://{secret:R}@h/0"),
    }


def test_brokers_of_all_are_those_of_production_only(read):
    """What is sent cannot be called back: another environment sends only where its own table says."""
    text = '[brokers]\na = "nats://h"\nb = "nats://h"\n[environments.dev.brokers]\nb = "nats://127.0.0.1"\n'
    assert set(read(text).brokers) == {"a", "b"}
    settings = read(text, {"MAINSPRING_PROJECT_ENVIRONMENT": "dev"})
    assert settings.brokers == {"b": BrokerSettings(url="nats://127.0.0.1")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[brokers]\na = "nats://u:p4ss@h"', "has a password"),
        ('[brokers]\na = "ftp://h"', "no broker is spoken to"),
        ('[brokers]\nA_b = "nats://h"', "cannot name a broker"),
        ("[brokers.a]", "it has no address"),
        ('[brokers]\na = "redis://h/0?stream=s"', "names no queue"),
    ],
)
def test_broker_that_cannot_be_used_is_refused(read, text, reason):
    """The error says what is wrong and where, and repeats no password."""
    with pytest.raises(ConfigError, match=reason) as caught:
        read(text)
    assert "mainspring.toml:" in str(caught.value)
    assert "p4ss" not in str(caught.value)
