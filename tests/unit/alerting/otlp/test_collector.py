"""The way to a collector: its connection, and the headers that it wants: one secret, read as OpenTelemetry writes them."""

import pytest

from mainspring.alerting.otlp.collector import Collector, CollectorUnavailableError, read_headers
from mainspring.domain.errors import ConfigError
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS
from tests.otlp_collector import OtlpCollector


class Secrets:
    def get(self, name):
        return name


FAULTS = ErrorText(Secrets())


def test_headers_are_pairs():
    """By commas or lines, percent signs decoded, each value a secret from then on."""
    found = read_headers("Authorization=Basic%20YWJj==, x-team = ops\nx-honeycomb=hny-key-1234\n", FAULTS)
    assert found == {"Authorization": "Basic YWJj==", "x-team": "ops", "x-honeycomb": "hny-key-1234"}
    assert "hny-key-1234" not in KNOWN_SECRETS.redact("it said hny-key-1234")


@pytest.mark.parametrize("text", ["token-alone", "a b=c", "x=a%0d%0ahost: evil", "x\u00e9=1", "x=%C3%A9"])
def test_invalid_header_is_refused_and_not_repeated(text):
    """No line of another's can be written into a request."""
    with pytest.raises(ConfigError) as refused:
        read_headers(text, FAULTS)
    assert text not in f"{refused.value} {refused.value.hint}"


@pytest.fixture
def collector():
    made = OtlpCollector()
    yield made
    made.close()


@pytest.fixture
def way(collector):
    made = Collector(collector.endpoint, None, FAULTS)
    yield made
    made.close()


def test_connection_that_was_closed_while_nothing_was_sent_loses_nothing(collector, way):
    """Collectors close what is idle for a minute, and metrics are sent each minute: every second sending would be lost."""
    collector.hangs_up = True
    for _ in range(3):
        way.send(b"")
    assert len(collector.requests) == 3


def test_collector_that_is_gone_is_unreachable(collector, way):
    """What was kept is tried once more, not for ever."""
    collector.hangs_up = True
    way.send(b"")
    collector.close()
    with pytest.raises(CollectorUnavailableError, match="refused"):
        way.send(b"")
