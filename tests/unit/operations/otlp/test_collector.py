"""The headers that a collector wants: one secret, read as OpenTelemetry writes them."""

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.operations.otlp.collector import read_headers
from mainspring.resources.fault_text import FaultText
from mainspring.resources.hidden import HIDDEN


class Secrets:
    def get(self, name):
        return name


FAULTS = FaultText(Secrets())


def test_headers_are_pairs():
    """By commas or lines, percent signs decoded, each value a secret from then on."""
    found = read_headers("Authorization=Basic%20YWJj==, x-team = ops\nx-honeycomb=hny-key-1234\n", FAULTS)
    assert found == {"Authorization": "Basic YWJj==", "x-team": "ops", "x-honeycomb": "hny-key-1234"}
    assert "hny-key-1234" not in HIDDEN.redact("it said hny-key-1234")


@pytest.mark.parametrize("text", ["token-alone", "a b=c", "x=a%0d%0ahost: evil", "x\u00e9=1", "x=%C3%A9"])
def test_what_is_no_header_is_refused_and_not_repeated(text):
    """No line of another's can be written into a request."""
    with pytest.raises(ConfigError) as refused:
        read_headers(text, FAULTS)
    assert text not in f"{refused.value} {refused.value.hint}"
