"""A password fits its stored form and no other; what everyone tries first is not taken."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from mainspring.domain.access.passwords import (
    MAX_PASSWORD_LENGTH,
    ScryptCost,
    check_password,
    hash_password,
    hash_without_password,
    verify_password,
)
from mainspring.domain.errors import OptionError

CHEAP = ScryptCost(log_n=4)
SALT = bytes(range(16))


@given(st.text(max_size=40), st.text(max_size=40))
def test_password_fits_its_own_form(password, other):
    """Whatever it is made of, lone surrogates too; another one does not."""
    stored = hash_password(password, SALT, CHEAP)
    assert verify_password(password, stored)
    assert verify_password(other, stored) == (hash_password(other, SALT, CHEAP) == stored)
    assert not verify_password(password, hash_without_password(CHEAP))


def test_password_counts_however_it_was_typed():
    """One letter, or a letter and its accent: keyboards differ."""
    assert verify_password("caf\u00e9 au lait", hash_password("cafe\u0301 au lait", SALT, CHEAP))


def test_stored_form_is_salted_and_names_its_cost():
    """Two people with one password have two forms, and a form that was made cheaper still fits."""
    assert hash_password("x", SALT, CHEAP) != hash_password("x", SALT[::-1], CHEAP)
    assert hash_password("x", SALT, ScryptCost(5)).startswith("scrypt$5$8$1$")
    assert hash_without_password(ScryptCost()).startswith("scrypt$17$8$1$")


def test_full_cost_is_within_what_is_allowed():
    """The cost that is in force: 128 MiB, which the library must be reported."""
    assert verify_password("correct horse", hash_password("correct horse", SALT, ScryptCost()))


@pytest.mark.parametrize(
    "password",
    ["short", "", "x" * (MAX_PASSWORD_LENGTH + 1), "Password123", "aaaaaaaaaaaa", "anastasia.roth1!", "121212121212"],
)
def test_password_that_is_tried_first_is_not_taken(password):
    """Too short, too long, known to all, one character over and over, the name itself."""
    with pytest.raises(OptionError):
        check_password(password, "anastasia.roth")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "1b,xÄ漢字 ok", "x" * 996 + "abcd", "no rules of characters"]
)
def test_password_is_taken_whatever_its_characters(password):
    """Length is what counts."""
    check_password(password, "ana")


def test_three_thousand_commonest_passwords_are_refused():
    """As they are, in any case, and with a year or a mark behind them; a few words of one's own are taken."""
    commonest = FREQUENCY_LISTS["passwords"][:3_000]
    assert len(commonest) == 3_000
    for password in commonest:
        for form in (password, password.upper(), f"{password}2026!!", f"{password}1234567890"):
            with pytest.raises(OptionError):
                check_password(form, "ana")
    for password in ("correct horse battery", "dragons of the north", "mainspring of a watch", "2026 was a fine year"):
        check_password(password, "ana")


def test_stolen_passwords_are_read_when_one_is_set():
    """No command, and no process that sets none, waits for thirty thousand words."""
    program = "import sys, mainspring.cli.main, mainspring.web.process; print('zxcvbn' in ''.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
