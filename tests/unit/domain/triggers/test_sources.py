"""The table of trigger sources, and what each kind answers about itself."""

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.triggers.sources import SOURCES, load_sources
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.engine.definitions.trigger_draft import build_trigger_draft

OPTIONS = {
    "event": {"name": "paid", "where": {"a": 1}},
    "run": {"automation": "a", "state": "any"},
    "webhook": {"path": "/in", "verify": "github:KEY"},
    "queue": {"url": "nats://u:{secret:PASS}@h/S?subject=s"},
    "files": {"folder": "/in", "pattern": "*.csv"},
    "runs": {"automations": ["a", "b"], "within": "2h"},
}
SECRETS = {"webhook": ("KEY",), "queue": ("PASS",)}
UPSTREAM = {"run": ("a",), "runs": ("a", "b")}
WORDS = {
    "event": "event paid where a = 1",
    "run": "a run of a that ended",
    "webhook": "webhook /in",
    "files": "files *.csv in /in",
    "runs": "runs of a and b that ended well, for one slot, within 2h",
}


def test_table_names_each_class_by_its_tag():
    """Else the store would read another kind."""
    assert {kind: source.__struct_config__.tag for kind, source in load_sources().items()} == {
        kind: kind for kind in SOURCES
    }
    assert all(issubclass(source, TriggerSource) for source in load_sources().values())


@pytest.mark.parametrize("kind", SOURCES)
def test_source_answers_about_itself(kind):
    """Its words, its secrets, the automations before it; and it returns from the store as it was."""
    source = build_trigger_draft(kind, OPTIONS[kind]).source
    assert source.secret_names() == SECRETS.get(kind, ())
    assert source.upstream() == UPSTREAM.get(kind, ())
    assert bool(source.upstream_states()) == (kind in UPSTREAM)
    assert source.is_fetched == (kind in ("queue", "files"))
    assert bool(source.topics()) == (kind in ("event", "run", "runs"))
    assert source.describe() == WORDS.get(kind, source.describe())
    trigger = Trigger(source=source)
    assert msgspec.json.decode(msgspec.json.encode(trigger), type=Trigger) == trigger


def test_unknown_kind_is_no_decorator():
    """A word that is misspelled is reported where it stands."""
    with pytest.raises(AttributeError, match=r"mainspring\.on.*'evnt'"):
        _ = ms.on.evnt
