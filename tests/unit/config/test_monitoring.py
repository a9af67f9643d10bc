"""`[monitors]`: switched by a word, tuned by a table."""

from datetime import timedelta

import pytest

from mainspring.config import load
from mainspring.config.monitoring import tunings_of
from mainspring.domain.errors import ConfigError
from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.fail_rate import FailRateTuning
from mainspring.domain.monitors.table import DEFAULTS


@pytest.fixture
def read(tmp_path):
    """The tunings that a file's text and variables make."""

    def read(text="", env=None):
        (tmp_path / "mainspring.toml").write_text(text)
        settings = load(env={"HOME": "/home/u", **(env or {})}, cwd=tmp_path, uid=1234)
        return tunings_of(settings.monitors)

    return read


def test_every_monitor_is_on_with_its_own_defaults(read):
    """Without a line of configuration."""
    assert read() == DEFAULTS
    assert all(tuning.on for tuning in DEFAULTS.values())


def test_monitor_is_switched_by_a_word_and_tuned_by_a_table(read):
    """Percent and numbers are shares; variables say the same."""
    text = '[monitors]\ntoo_fast = false\nfail_rate = { share = "30%", window = "2h", least = 3 }\n'
    found = read(text)
    assert not found[IncidentKind.TOO_FAST].on
    wanted = FailRateTuning(share=0.3, window=timedelta(hours=2), least=3)
    assert found[IncidentKind.FAIL_RATE] == wanted
    env = {
        "MAINSPRING_MONITORS_TOO_FAST": "off",
        "MAINSPRING_MONITORS_FAIL_RATE__SHARE": "0.3",
        "MAINSPRING_MONITORS_FAIL_RATE__WINDOW": "2h",
        "MAINSPRING_MONITORS_FAIL_RATE__LEAST": "3",
    }
    assert read("", env) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[monitors]\ntoo_fst = false\n", "Did you mean monitors.too_fast"),
        ("[monitors]\nnotifier_broken = false\n", "It cannot be switched off: without it nobody"),
        ("[monitors.store_lost]\non = false\n", "It cannot be switched off: without the store"),
        ("[monitors]\nfail_rate = { shre = 0.3 }\n", "Did you mean monitors.fail_rate.share"),
        ("[monitors]\nfail_rate = { share = 1.5 }\n", "1.5 is not a share"),
        ("[monitors]\nfail_rate = { share = true }\n", "True is not a share"),
        ("[monitors]\nfail_rate = 0.3\n", "monitors.fail_rate.on"),
        ('[monitors]\npaused = { longest = "0s" }\n', "above zero"),
    ],
)
def test_slip_in_a_monitor_is_told(read, text, why):
    """With the nearest name, or what is wrong with the value."""
    with pytest.raises(ConfigError) as told:
        read(text)
    assert why in f"{told.value.message} {told.value.hint}"
