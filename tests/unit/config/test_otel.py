"""`[otel]`: an address without a key in it, and the name of a secret."""

from datetime import timedelta

import pytest

from mainspring.config import load
from mainspring.domain.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    """Load the section's text."""

    def read(text):
        (tmp_path / "mainspring.toml").write_text(f"[otel]\n{text}\n")
        return load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234).otel

    return read


@pytest.mark.parametrize("text", ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"])
def test_path_of_traces_may_be_written_or_not(read, text):
    """It is the same collector."""
    assert read(f'endpoint = "{text}"').endpoint == "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4318",
        "grpc://h:4317",
        "https://u:hidden@h",
        "https://h/?key=hidden",
        "http://h\\nx",
        "http://h:65536",
    ],
)
def test_invalid_address_is_refused(read, text):
    """A key in it is not repeated."""
    with pytest.raises(ConfigError, match=r"otel\.endpoint") as refused:
        read(f'endpoint = "{text}"')
    assert "hidden" not in str(refused.value)


def test_headers_are_named_never_written(read):
    """Anyone who can read the file must not be able to send."""
    assert read('headers_secret = "secret:OTLP"').headers_secret == "secret:OTLP"
    with pytest.raises(ConfigError, match="must not contain a secret"):
        read('headers_secret = "authorization=Bearer abc"')


def test_metrics_are_sent_each_second_at_most(read):
    """Each sending reads all figures of the store: a thousand a second would be all that a watcher does."""
    assert read('metrics_every = "1s"').metrics_every == timedelta(seconds=1)
    for text, reason in (("1ms", "at least 1s"), ("0s", "above zero")):
        with pytest.raises(ConfigError, match=reason):
            read(f'metrics_every = "{text}"')
