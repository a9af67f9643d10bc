"""Deliveries that start nothing until a person decides: read for monitors, settled by a replay, a later fit, or a person's word."""

import msgspec
import pytest

from mainspring.alerting.evaluation import Evaluator
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.states import DeliveryState
from mainspring.store.commands.incidents import ResolveIncident
from mainspring.store.commands.triggers import RejectDelivery, ReplayDelivery
from tests.contract.store.deliveries import HOOK, accepting, announced, deciding, hook, on_event, waiting
from tests.contract.store.process import event

_D = DeliveryState
REJECTED, FAILED = IncidentKind.DELIVERY_REJECTED, IncidentKind.DELIVERY_FAILED


def webhook(verifier, automation="a", path="/in"):
    """A webhook with this verifier."""
    definition = {"source": {"type": "webhook", "path": path, "verify": verifier}}
    return hook(automation, path, definition=msgspec.json.encode(definition))


@pytest.fixture
def store(store):
    """A worker with a webhook of a known sender, one of anyone, and an event."""
    known = webhook({"type": "github", "secrets": ["KEY"]})
    store.do(announced(known, webhook({"type": "none", "secrets": []}, "b", "/b"), on_event()))
    return store


@pytest.fixture
def read_findings(store, clock):
    """What monitors find of deliveries: {(kind, trigger): text}."""

    def evaluate():
        facts = FactsReader(store.reader, at_once=None).read(clock.now())
        found = evaluate_all(facts, DEFAULT_TUNINGS, clock.now()).findings
        return {
            (finding.subject.kind, finding.subject.fingerprint): finding.text
            for finding in found
            if finding.subject.kind in (REJECTED, FAILED)
        }

    return evaluate


def refusing(store, reason, trigger=HOOK, note="no"):
    return RejectDelivery(id=store.name("d"), trigger=trigger, why=reason, note=note, body=b"x")


def test_a_rejected_delivery_of_a_known_sender_is_a_finding(store, read_findings):
    """Another body under a key that counts, at intake; what anyone sends to a public hook is none, nor is a wrong signature."""
    for reason in ("no_signature", "bad_signature", "old_timestamp"):
        store.do(refusing(store, reason))
    store.do(refusing(store, "other_body", "b/webhook"))
    assert read_findings() == {}
    store.do(refusing(store, "other_body", note="delivery d_1 has this key and another body"))
    text = "1 delivery of a/webhook was rejected and started nothing: an earlier delivery has this key and another body"
    assert read_findings() == {(REJECTED, HOOK): text}


def test_each_reason_of_rejected_deliveries_is_named_once(store, read_findings, clock):
    """Newest first, and the first three of them; a delivery that was accepted is no example."""
    for note in (
        "$.n: it is missing",
        "delivery d_1a has this key and another body",
        "delivery d_2b has this key and another body",
    ):
        store.do(refusing(store, "other_body", note=note))
        clock.forward(1_000)
    start = "were rejected and started nothing: an earlier delivery has this key and another body; $.n: it is missing"
    assert read_findings() == {(REJECTED, HOOK): f"3 deliveries of a/webhook {start}"}
    for reason in ("third", "fourth", "fifth"):
        store.do(refusing(store, "misfit", note=reason))
        clock.forward(1_000)
    assert read_findings()[REJECTED, HOOK].endswith("nothing: fifth; fourth; third; and 2 more reasons")


def test_corrected_body_settles_each_one_that_did_not_fit(store, read_findings):
    """Several bodies under one key did not fit: the newest counts, and none does once one fits. A repetition is the same delivery."""
    for name, body in (("d_1", "a"), ("d_2", "b"), ("d_3", "b")):
        answer = store.do(accepting(store, "k", start=None, refused=f"{body} does not fit", id=name, body_hash=body))
        assert (answer.delivery, answer.state) == ("d_1" if name == "d_1" else "d_2", _D.REFUSED)
    assert read_findings()[REJECTED, HOOK] == "1 delivery of a/webhook was rejected and started nothing: b does not fit"
    store.do(accepting(store, "k", id="d_4", body_hash="c"))
    assert read_findings() == {}


def test_a_delivery_that_passes_its_filter_too_late_is_a_finding_until_it_is_replayed(store, read_findings):
    """The first body holds the key."""
    for name in ("d_1", "d_2"):
        store.do(accepting(store, "k", filtered=True, start=None, id=name, body_hash=name))
    store.do(deciding(store, "d_1", key="k"), deciding(store, "d_2", key="k"))
    assert list(read_findings()) == [(REJECTED, HOOK)]
    store.do(ReplayDelivery("d_again", "d_2"))
    assert read_findings() == {}


def test_a_filter_that_raises_is_a_finding(store, read_findings):
    """With what it raised; a replay that fails again is one too."""
    store.do(accepting(store, "k", filtered=True, start=None, id="d_1"))
    store.do(deciding(store, "d_1", _D.FAILED, note="its filter raised KeyError: 'action'"))
    text = "1 delivery of a/webhook failed and started nothing: its filter raised KeyError: 'action'"
    assert read_findings() == {(FAILED, HOOK): text}
    store.do(ReplayDelivery("d_again", "d_1"))
    assert read_findings() == {}
    store.do(deciding(store, "d_again", _D.FAILED, note="its filter raised KeyError: 'action'"))
    assert read_findings() == {(FAILED, HOOK): text}


def test_a_value_that_fits_later_settles_the_one_that_did_not(store, read_findings):
    """It came under the same key."""
    store.do(accepting(store, "k", start=None, refused="it does not fit", id="d_1"))
    assert list(read_findings()) == [(REJECTED, HOOK)]
    store.do(accepting(store, "k", id="d_2"))
    assert read_findings() == {}


def test_events_of_which_no_run_can_be_made_are_findings(store, read_findings):
    """Not only webhooks are lost."""
    store.do(event(id="e1"))
    (delivery,) = waiting(store, "a/event")
    store.do(deciding(store, delivery, _D.FAILED, trigger="a/event", note="its field n is missing"))
    assert list(read_findings()) == [(FAILED, "a/event")]


def test_a_person_settles_what_is_there_and_nothing_that_comes_later(store, read_findings, clock):
    """Resolving the incident: the next delivery that fails opens it again, with itself alone; and that is settled by its replay."""
    watch = Evaluator(
        store, clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(channels=("ops",)), redact=lambda text: text
    )
    store.do(refusing(store, "other_body"), refusing(store, "misfit"))
    watch.evaluate_once()
    (incident,) = store.read("incidents")
    assert (incident.subject, incident.facts["number"]) == (Subject("a", REJECTED, HOOK), 2)
    assert incident.hint == f"mainspring triggers show {HOOK}; then: mainspring incidents resolve {incident.id}"
    clock.forward(1_000)
    store.do(ResolveIncident(incident.id, "ann", None))
    clock.forward(1_000)
    watch.evaluate_once()
    assert store.read("incidents") == []
    store.do(accepting(store, "k", start=None, refused="it does not fit", id="d_1"))
    clock.forward(1_000)
    watch.evaluate_once()
    (again,) = store.read("incidents")
    assert (again.opened, again.facts["number"]) == (2, 1)
    store.do(ReplayDelivery("d_again", "d_1"))
    clock.forward(1_000)
    watch.evaluate_once()
    assert (store.read("incidents"), read_findings()) == ([], {})
