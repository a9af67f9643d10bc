"""`[monitors]`: switched by a word, tuned by a table."""

from datetime import timedelta

import pytest

from mainspring.config import load
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.errors import ConfigError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS


@pytest.fixture
def read(tmp_path):
    """The tunings that a file's text and variables make."""

    def read(text="", env=None):
        (tmp_path / "mainspring.toml").write_text(text)
        settings = load(env={"HOME": "/home/u", **(env or {})}, cwd=tmp_path, uid=1234)
        return read_tunings(settings.monitors)

    return read


def test_every_monitor_is_on_with_its_own_defaults(read):
    """Without a line of configuration."""
    assert read() == DEFAULT_TUNINGS
    assert all(tuning.on for tuning in DEFAULT_TUNINGS.values())


def test_monitor_is_switched_by_a_word_and_tuned_by_a_table(read):
    """Percent and numbers are shares; variables say the same."""
    text = '[monitors]\ntoo_fast = false\nfail_rate = { share = "30%", window = "2h", least = 3 }\n'
    found = read(text)
    assert not found[IncidentKind.TOO_FAST].on
    expected = FailRateTuning(share=0.3, window=timedelta(hours=2), least=3)
    assert found[IncidentKind.FAIL_RATE] == expected
    env = {
        "MAINSPRING_MONITORS_TOO_FAST": "off",
        "MAINSPRING_MONITORS_FAIL_RATE__SHARE": "0.3",
        "MAINSPRING_MONITORS_FAIL_RATE__WINDOW": "2h",
        "MAINSPRING_MONITORS_FAIL_RATE__LEAST": "3",
    }
    assert read("", env) == found


def test_monitor_is_switched_and_tuned_for_some_only(tmp_path):
    """By name or pattern, in the same two forms; what is left out is as for all, whatever that is; a variable says the same."""
    (tmp_path / "mainspring.toml").write_text(
        '[monitors]\nhuman_wait.most = "2h"\n'
        '[monitors.of."sync-*"]\ntoo_fast = false\nfail_rate.share = 0.3\n[monitors.of.nightly]\nhuman_wait.most = "1h"\n'
    )
    env = {"HOME": "/home/u", "MAINSPRING_MONITORS_OF__NIGHTLY__SILENCE": "off"}
    settings = load(env=env, cwd=tmp_path, uid=1234)
    own, general = read_tuning_overrides(settings.monitors), read_tunings(settings.monitors)
    sync = own.of("sync-a", IncidentKind.FAIL_RATE, FailRateTuning(least=9))
    assert sync == FailRateTuning(share=0.3, least=9)
    assert not own.of("sync-a", IncidentKind.TOO_FAST, general[IncidentKind.TOO_FAST]).on
    assert own.set_of("nightly", IncidentKind.HUMAN_WAIT) == {"most": timedelta(hours=1)}
    assert own.set_of("nightly", IncidentKind.SILENCE) == {"on": False}
    assert own.set_of("other", IncidentKind.TOO_FAST) == {}
    stated = {path: value for path, value, _ in settings.describe() if path.startswith("monitors.of.")}
    assert stated == {
        "monitors.of.sync-*.too_fast.on": False,
        "monitors.of.sync-*.fail_rate.share": 0.3,
        "monitors.of.nightly.human_wait.most": "1h",
        "monitors.of.nightly.silence.on": False,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[monitors]\ntoo_fst = false\n", "Did you mean monitors.too_fast"),
        ("[monitors]\nnotifier_broken = false\n", "It cannot be turned off: without it, no one"),
        ("[monitors.store_lost]\non = false\n", "It cannot be turned off: no other monitor"),
        ("[monitors]\nfail_rate = { shre = 0.3 }\n", "Did you mean monitors.fail_rate.share"),
        ("[monitors]\nfail_rate = { share = 1.5 }\n", "1.5 is not a share"),
        ("[monitors]\nfail_rate = { share = true }\n", "True is not a share"),
        ("[monitors]\nfail_rate = 0.3\n", "monitors.fail_rate.on"),
        ("[monitors.of.sync]\ntoo_fst = false\n", "Did you mean monitors.of.sync.too_fast"),
        ("[monitors.of.sync]\nfail_rate.shre = 0.3\n", "Did you mean monitors.of.sync.fail_rate.share"),
        ("[monitors.of.sync]\nfail_rate.share = 1.5\n", "1.5 is not a share"),
        (
            "[monitors.of.sync]\nlock_held = false\n",
            "It can only be set for all automations: monitors.lock_held. Known there: backlog, cadence_drift",
        ),
        ("[monitors.of.sync]\nlock_held.on = false\n", "It can only be set for all automations: monitors.lock_held."),
        ('[monitors]\npaused = { longest = "0s" }\n', "above zero"),
    ],
)
def test_slip_in_a_monitor_is_reported(read, text, reason):
    """With the nearest name, or what is wrong with the value."""
    with pytest.raises(ConfigError) as raised:
        read(text)
    assert reason in f"{raised.value.message} {raised.value.hint}"
