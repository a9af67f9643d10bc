"""What OTLP is written with, where it is not installed."""

import sys

import pytest

from mainspring.alerting.otlp.attributes import check_installed
from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command


def test_missing_extra_is_reported_with_the_line_that_installs_it(monkeypatch):
    """Before any span is made."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    with pytest.raises(ConfigError) as missing:
        check_installed()
    assert missing.value.hint == install_command("otel")
