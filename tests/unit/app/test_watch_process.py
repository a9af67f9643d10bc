"""What a round of `watch --once` says of who is silent: by the same settings as what it tells."""

from mainspring.app.watch_process import judge
from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.own_tunings import OwnTunings
from mainspring.domain.monitors.silence import SilenceTuning
from mainspring.domain.monitors.table import DEFAULTS, NO_OWN
from tests.unit.domain.monitors.looking import DAY, T0, cadence, watched

FACTS = Facts(automations=(watched("backup", cadences=(cadence(every="1h"),)),))
OFF = SilenceTuning(on=False)
OFF_FOR_IT = OwnTunings({"back*": {IncidentKind.SILENCE: {"on": False}}})


def silent(tunings=DEFAULTS, own=NO_OWN):
    judged, found = judge(FACTS, T0 + DAY, tunings, own)
    return judged, [one.name for one in found]


def test_silent_one_is_said():
    """Also by the exit code that follows."""
    assert silent() == (1, ["backup"])


def test_silence_that_is_switched_off_is_said_no_more():
    """For all, or for this one alone; what is on for it alone is said."""
    assert silent({IncidentKind.SILENCE: OFF}) == (0, [])
    assert silent(own=OFF_FOR_IT) == (0, [])
    on_for_it = OwnTunings({"backup": {IncidentKind.SILENCE: {"on": True}}})
    assert silent({IncidentKind.SILENCE: OFF}, on_for_it) == (1, ["backup"])
