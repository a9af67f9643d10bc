"""doctor: where traces go, and what keeps them from going there."""

import sys

import pytest

from mainspring.domain.extras import install_command
from tests.unit.cli.doctor.test_doctor_command import checks


@pytest.fixture
def configured(folder):
    def write(endpoint="http://127.0.0.1:4318", more=""):
        (folder / "mainspring.toml").write_text(f'[otel]\nendpoint = "{endpoint}"\n{more}')

    return write


def test_missing_extra_is_a_problem_once_a_collector_is_named(cli, configured, monkeypatch):
    """With the line that installs it; who names none needs nothing."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    assert checks(cli)["traces"]["state"] == "ok"
    configured()
    found = checks(cli)["traces"]
    assert (found["state"], found["fix"]) == ("problem", install_command("otel"))


def test_reachable_collector_is_named(cli, configured):
    """Where workers send to."""
    configured()
    assert checks(cli)["traces"]["text"] == "workers send them to http://127.0.0.1:4318"
    configured(more='metrics_every = "1m"\n')
    assert checks(cli)["traces"]["text"].endswith(":4318, watchers metrics every 1m")


def test_metrics_that_go_nowhere_are_a_warning(cli, folder):
    """Who says how often, and not where to, would wait for them for ever."""
    (folder / "mainspring.toml").write_text('[otel]\nmetrics_every = "1m"\n')
    found = checks(cli)["traces"]
    assert (found["state"], found["text"]) == ("warning", "no metrics are sent: otel.endpoint is not set")


def test_headers_must_be_there_and_travel_safely(cli, configured, monkeypatch):
    """A secret that is not set, one that cannot be read, one that others on the network could read."""
    secret = 'headers_secret = "secret:OTLP"\n'
    configured(more=secret)
    assert "OTLP" in checks(cli)["traces"]["text"]
    monkeypatch.setenv("MAINSPRING_SECRET_OTLP", "hny-key-1234")
    assert checks(cli)["traces"]["state"] == "problem"
    assert "hny-key-1234" not in cli("doctor").out
    monkeypatch.setenv("MAINSPRING_SECRET_OTLP", "x-honeycomb-team=hny-key-1234")
    assert checks(cli)["traces"]["state"] == "ok"
    configured("http://otel.internal:4318", secret)
    assert checks(cli)["traces"]["state"] == "warning"
    configured("https://otel.internal:4318", secret)
    assert checks(cli)["traces"]["state"] == "ok"
