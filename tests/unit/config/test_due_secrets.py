"""`[secrets.due]`: the day by which a secret is to be renewed, and what the configuration needs it for."""

from datetime import UTC, datetime

import pytest

from mainspring.config import load
from mainspring.config.due_secrets import read_due_secrets
from mainspring.domain.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    """The secrets that a file's text and variables say are due."""

    def read(text, env=None):
        (tmp_path / "mainspring.toml").write_text(text)
        return read_due_secrets(load(env={"HOME": "/home/u", **(env or {})}, cwd=tmp_path, uid=1234))

    return read


def test_day_starts_on_the_clock_of_the_project(read):
    """A date of TOML and text say the same; a name that sounds secret is a name here."""
    text = '[project]\ntimezone = "Europe/Berlin"\n[secrets.due]\nAPI_TOKEN = 2027-01-31\ngh-hook = "2027-07-01"\n'
    token, hook = read(text)
    assert (token.name, token.day, hook.name, hook.day) == ("API_TOKEN", "2027-01-31", "gh-hook", "2027-07-01")
    at = [round(datetime(*day, tzinfo=UTC).timestamp() * 1_000) for day in ((2027, 1, 30, 23), (2027, 6, 30, 22))]
    assert [token.due_at, hook.due_at] == at
    assert read("") == ()
    (same,) = read("", {"MAINSPRING_SECRETS_DUE__GH_HOOK": "2027-07-01"})
    assert same.day == "2027-07-01"


def test_use_of_a_secret_is_named(read):
    """Channels, the watchdog, traces; by the variable that holds the secret, however its name is written."""
    (due,) = read(
        """
        secrets.due.the-key = "2027-01-31"
        otel.headers_secret = "secret:OTHER"
        [notify]
        watchdog = "secret:THE_KEY"
        channels.ops = "pagerduty://secret:the_key"
        channels.mail = "smtps://secret:MAIL@host/to@example.com?from=from@example.com"
        """
    )
    assert due.used_by == ("channel ops", "notify.watchdog")
    (other,) = read('secrets.due.OTHER = "2027-01-31"\notel.headers_secret = "secret:OTHER"\n')
    assert other.used_by == ("otel.headers_secret",)
    (key,) = read('secrets.due.link-key = "2027-01-31"\nweb.public_url = "https://ops.example.com"\n')
    assert key.used_by == ("web.public_url",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('GH_HOOK = "soon"', "this is not a date"),
        ('GH_HOOK = "2027-02-30"', "this is not a date"),
        ("GH_HOOK = 2027-01-31T10:00:00", "this is not a date"),
        ("GH_HOOK = 20270131", "this is not a date"),
        ("GH_HOOK = true", "this is not a date"),
        ('GH_HOOK = "0207-01-31"', "the year 207"),
        ('"2fa key" = 2027-01-31', "not a valid name of a secret"),
    ],
)
def test_slip_is_reported_with_key_and_line(read, tmp_path, line, reason):
    """And how to write it."""
    with pytest.raises(ConfigError) as raised:
        read(f"[secrets.due]\n{line}\n")
    assert reason in raised.value.message
    assert "`secrets.due." in raised.value.message
    assert f"{tmp_path}/mainspring.toml:2" in raised.value.message
    assert raised.value.hint


def test_value_in_the_place_of_a_date_is_not_repeated(read):
    """Perhaps it is the secret."""
    with pytest.raises(ConfigError) as raised:
        read('[secrets.due]\nAPI_TOKEN = "s3cr3t-value"\n')
    assert "s3cr3t" not in f"{raised.value.message} {raised.value.hint}"
    with pytest.raises(ConfigError, match="must not contain a secret"):
        read('[secrets]\napi_token = "s3cr3t-value"\n')
