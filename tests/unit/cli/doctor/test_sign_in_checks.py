"""doctor: what keeps people from coming in by a provider of identities."""

import sys

import pytest

from mainspring.domain.extras import install_command
from tests.unit.cli.doctor.test_doctor_command import checks

WHOLE = {"issuer": '"https://login.example.com"', "client_id": '"ms"', "roles": '{ ops = "admin" }'}


@pytest.fixture
def report(cli, folder):
    """Return the state and the text of the check for some lines of the section."""

    def report(**lines):
        written = "\n".join(f"{name} = {value}" for name, value in lines.items())
        (folder / "mainspring.toml").write_text(f"[web.oidc]\n{written}\n")
        found = checks(cli)["provider"]
        return found["state"], found["text"]

    return report


def test_provider_that_is_named_whole_is_healthy(report):
    """And so is none at all."""
    assert report() == ("ok", "none: people sign in by name and password")
    assert report(**WHOLE) == ("ok", "people can also sign in by https://login.example.com")


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_provider_is_a_warning(report, name):
    """Nothing of it is in force, and no page says so."""
    state, text = report(**{key: value for key, value in WHOLE.items() if key != name})
    assert state == "warning"
    assert text.endswith(f"[web.oidc] has no {name}")


def test_secret_of_the_provider_has_to_be_there(report, monkeypatch):
    """Else it is missed when the first person comes back from there."""
    lines = {**WHOLE, "client_secret": '"secret:oidc"'}
    state, text = report(**lines)
    assert state == "problem"
    assert "oidc" in text
    monkeypatch.setenv("MAINSPRING_SECRET_OIDC", "hidden")
    assert report(**lines)[0] == "ok"


def test_missing_extra_is_a_problem_once_a_provider_is_named(report, cli, monkeypatch):
    """With the line that installs it; who names none needs nothing."""
    monkeypatch.setitem(sys.modules, "joserfc.jwt", None)
    assert report()[0] == "ok"
    state, text = report(**WHOLE)
    assert state == "problem"
    assert "[web.oidc] needs joserfc.jwt, which is not installed" in text
    assert checks(cli)["provider"]["fix"] == install_command("oidc")
