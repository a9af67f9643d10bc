"""Variables that hold secrets: what a process passes on, and what Mainspring itself still finds."""

from mainspring.resources.secret_variables import (
    PASSWORD_VARIABLE,
    STORE_URL_VARIABLE,
    STORE_WITHHELD_VARIABLE,
    SecretVariables,
)

GIVEN = {"PATH": "/bin", PASSWORD_VARIABLE: "p", STORE_URL_VARIABLE: "s.db", "MAINSPRING_SECRET_HOOK": "h"}


def test_reserved_variables_are_found_only_by_us() -> None:
    """They leave the environment; a mark says so to a command that looks for the store."""
    withheld, env = SecretVariables(), dict(GIVEN)
    withheld.take(env)
    assert env == {"PATH": "/bin", STORE_WITHHELD_VARIABLE: "1"}
    assert dict(withheld.own(env)) == GIVEN
    assert withheld.without(env) == env


def test_allowed_variables_stay() -> None:
    """What is allowed by name is passed on, and the store's address without a mark."""
    withheld, env = SecretVariables(), dict(GIVEN)
    withheld.allow([PASSWORD_VARIABLE, STORE_URL_VARIABLE])
    withheld.take(env)
    assert env == {"PATH": "/bin", PASSWORD_VARIABLE: "p", STORE_URL_VARIABLE: "s.db"}
    assert withheld.own(env)["MAINSPRING_SECRET_HOOK"] == "h"


def test_nothing_is_taken_twice() -> None:
    """A later look finds what a step put there itself."""
    withheld, env = SecretVariables(), dict(GIVEN)
    withheld.take(env)
    withheld.take(env)
    assert withheld.own(env)[PASSWORD_VARIABLE] == "p"


def test_read_variables_are_restored() -> None:
    """A command that ran an automation leaves its process as it was."""
    withheld, env = SecretVariables(), dict(GIVEN)
    withheld.take(env)
    withheld.give_back(env)
    assert env == GIVEN
    assert withheld.own(env) is env


def test_credentials_of_providers_are_not_passed_on() -> None:
    """The token of a Vault opens all its secrets; a command that needs it is allowed by name."""
    variables, env = SecretVariables(), {"BAO_TOKEN": "t", "PATH": "/bin"}
    assert variables.without(env) == env
    variables.withhold(["BAO_TOKEN"])
    assert variables.without(env) == {"PATH": "/bin"}
    variables.allow(["BAO_TOKEN"])
    assert variables.without(env) == env
