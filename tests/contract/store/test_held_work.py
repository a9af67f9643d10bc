"""What is held up without a run that fails: read for monitors from either store, each with its cause and a command."""

import msgspec
import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import PauseQueue, SetQueue
from mainspring.store.commands.outbox import MessageRefusal, SettleQueue
from mainspring.store.commands.results import DONE
from mainspring.store.commands.sessions import RecordProcessFindings
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.read.status.status import sessions
from tests.contract.store.deliveries import HOOK, accepting, announced, hook
from tests.contract.store.process import complete, event, finish, post, suspend, take, wait_for

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
K = IncidentKind


def webhook(automation="a", path="/in", **flow_control):
    """A webhook of a known sender."""
    source = {"type": "webhook", "path": path, "verify": {"type": "github", "secrets": ["KEY"]}}
    definition = {"source": source, "pace": msgspec.to_builtins(FlowControl.parse(**flow_control))}
    return hook(automation, path, definition=msgspec.json.encode(definition))


@pytest.fixture
def store(store):
    """A worker with a webhook."""
    store.do(announced(webhook()))
    return store


@pytest.fixture
def evaluate(store, clock):
    """What monitors of these kinds find now."""
    reader = FactsReader(store.reader, at_once=None)

    def found(*kinds):
        facts = reader.read(clock.now())
        return [
            finding
            for finding in evaluate_all(facts, DEFAULT_TUNINGS, clock.now()).findings
            if finding.subject.kind in kinds
        ]

    return found


def rejecting(store, reason="bad_signature", number=1):
    """Requests that the webhook rejects."""
    for _ in range(number):
        store.do(RejectDelivery(id=store.name("d"), trigger=HOOK, why=reason, note="no", body=b"x"))


def verified(store, key):
    return accepting(store, key, verified="github")


def test_a_sender_whose_secret_changed_is_a_finding_until_a_delivery_passes(store, clock, evaluate):
    """More than five wrong signatures in ten minutes, after deliveries that passed, and none since."""
    store.do(verified(store, "k1"))
    clock.forward(HOUR)
    rejecting(store, number=5)
    clock.forward(9 * MINUTE)
    assert evaluate(K.SENDER_REJECTED) == []
    rejecting(store)
    (finding,) = evaluate(K.SENDER_REJECTED)
    assert (finding.subject.automation, finding.subject.fingerprint, finding.facts["number"]) == ("a", HOOK, 6)
    assert "at least 6 requests had an invalid signature (401), no delivery was accepted since" in finding.text
    clock.forward(DAY)
    assert evaluate(K.SENDER_REJECTED), "time alone makes nothing well"
    store.do(verified(store, "k2"))
    assert evaluate(K.SENDER_REJECTED) == []


def test_a_slow_drip_of_wrong_signatures_is_no_finding(store, clock, evaluate):
    """Six over an hour are no changed secret; nor are requests without any signature, however many."""
    store.do(verified(store, "k1"))
    for _ in range(6):
        clock.forward(10 * MINUTE)
        rejecting(store)
    rejecting(store, "no_signature", 200)
    clock.forward(10 * MINUTE)
    assert evaluate(K.SENDER_REJECTED) == []


def test_a_flood_without_signatures_hides_no_sender_that_is_rejected(store, clock, evaluate):
    """Each reason keeps requests of its own."""
    store.do(verified(store, "k1"))
    clock.forward(MINUTE)
    rejecting(store, number=6)
    rejecting(store, "no_signature", 150)
    clock.forward(5 * MINUTE)
    assert len(evaluate(K.SENDER_REJECTED)) == 1


def test_wrong_signatures_at_a_webhook_that_never_knew_its_sender_are_for_the_digest(store, clock, evaluate):
    """No incident: no one can tell a stranger from a sender whose secret was never right."""
    rejecting(store, number=9)
    clock.forward(5 * MINUTE)
    assert evaluate(K.SENDER_REJECTED) == []
    (sender,) = FactsReader(store.reader).read(clock.now()).automations[0].rejected_senders
    assert (sender.number, sender.was_known) == (9, False)


def test_findings_of_a_process_are_read_with_its_session(store, clock, evaluate):
    """An address, a secret; gone when it says so."""
    now = clock.now()
    findings = (
        ProcessFinding(
            ProcessFindingKind.ADDRESS, "hooks.bind", "cannot listen on 127.0.0.1:7172: another process listens", now
        ),
        ProcessFinding(ProcessFindingKind.SECRET, HOOK, "no secret 'KEY' is set", now),
    )
    assert store.twice(RecordProcessFindings(findings)) == DONE
    assert sessions(store.reader)[0].findings == findings
    assert evaluate(K.ADDRESS_TAKEN, K.SECRET_MISSING) == []
    clock.forward(MINUTE)
    address, secret = sorted(evaluate(K.ADDRESS_TAKEN, K.SECRET_MISSING), key=lambda finding: finding.subject.kind)
    assert (address.subject.automation, secret.subject.automation) == ("", "a")
    assert "another process listens" in address.text
    assert "no secret 'KEY' is set" in secret.text
    assert store.twice(RecordProcessFindings()) == DONE
    assert evaluate(K.ADDRESS_TAKEN, K.SECRET_MISSING) == []


def test_a_codec_that_does_not_answer_is_one_incident_that_names_it_and_ends_by_itself(store, clock, evaluate):
    """Within five minutes, whatever number of runs wait for it."""
    reason = "codec 'kms' could not seal a value: ConnectionError"
    assert (
        store.twice(RecordProcessFindings((ProcessFinding(ProcessFindingKind.CODEC, "kms", reason, clock.now()),)))
        == DONE
    )
    assert evaluate(K.CODEC_UNAVAILABLE) == []
    clock.forward(MINUTE)
    (codec,) = evaluate(K.CODEC_UNAVAILABLE)
    assert (codec.subject.automation, reason in codec.text) == ("", True)
    assert store.twice(RecordProcessFindings()) == DONE
    assert evaluate(K.CODEC_UNAVAILABLE) == []


def test_each_part_of_a_process_reports_its_own_findings(store, clock):
    """A codec that answers again takes no finding of upkeep away, nor the other way round."""
    codec = ProcessFinding(ProcessFindingKind.CODEC, "vault", "it does not answer", clock.now())
    upkeep = ProcessFinding(ProcessFindingKind.UPKEEP, "retention", "OSError", clock.now())
    for findings, kind, left in (
        ((codec,), ProcessFindingKind.CODEC, (codec,)),
        ((upkeep,), ProcessFindingKind.UPKEEP, (codec, upkeep)),
        ((), ProcessFindingKind.CODEC, (upkeep,)),
        ((), ProcessFindingKind.UPKEEP, ()),
    ):
        assert store.twice(RecordProcessFindings(findings, (kind,))) == DONE
        assert sessions(store.reader)[0].findings == left


def sent(store, number=1):
    """A run that sent messages."""
    run = store.begin()
    store.do(complete(run, posts=tuple(post(id=f"m{n}") for n in range(number))))


def test_a_broker_that_is_unreachable_is_a_finding_after_minutes(store, clock, evaluate):
    """With why, by its queue."""
    sent(store)
    lease = take()
    store.do(lease)
    store.do(SettleQueue(lease.lease, "orders/eu", away="connection refused", retry_after_ms=1_000))
    clock.forward(2 * MINUTE)
    assert evaluate(K.OUTBOX_BLOCKED) == []
    clock.forward(MINUTE)
    (finding,) = evaluate(K.OUTBOX_BLOCKED)
    assert (finding.subject.fingerprint, finding.text) == (
        "orders/eu",
        "messages to orders/eu wait, the oldest for 3m: connection refused",
    )


def test_a_message_that_its_broker_refuses_is_a_finding_at_once(store, clock, evaluate):
    """As one to a broker that no one configured."""
    sent(store, 2)
    lease = take()
    (queue,) = store.do(lease).queues
    refused = tuple(MessageRefusal(message.seq, "no broker is called 'orders'") for message in queue.messages)
    store.do(SettleQueue(lease.lease, "orders/eu", refused=refused))
    (finding,) = evaluate(K.OUTBOX_BLOCKED)
    assert finding.text == "2 messages to orders/eu were refused: no broker is called 'orders'"
    assert "failed list --messages" in finding.hint


def test_a_debounce_that_never_fires_is_a_finding(store, clock, evaluate):
    """Something comes more often than its span, for ten times its span."""
    flow_control = {"debounce": "1m", "by": "{data.id}"}
    store.do(announced(webhook(**flow_control)))
    for n in range(21):
        store.do(accepting(store, f"k{n}", pace=FlowControl.parse(**flow_control), by="7", start=None))
        clock.forward(30 * SECOND)
        assert (n >= 19) == bool(evaluate(K.DEBOUNCE_HELD)), n
    (finding,) = evaluate(K.DEBOUNCE_HELD)
    assert finding.text == "a/webhook has started nothing of 7 for 10m30s: deliveries arrive more often than every 1m"


def test_debounce_without_a_release_is_reported(store, clock, evaluate):
    """Nothing comes any more, and no scheduler starts what is due."""
    store.do(announced(webhook(debounce="1m")))
    store.do(accepting(store, "k", pace=FlowControl.parse(debounce="1m"), start=None))
    clock.forward(10 * MINUTE)
    (finding,) = evaluate(K.DEBOUNCE_HELD)
    assert finding.text.endswith("it is due, and no scheduler starts it")


@pytest.fixture
def blocked(store):
    """A run that waits, and one behind it."""
    holder = store.begin(partition="p")
    store.do(wait_for(holder), suspend(holder))
    behind = store.starting(partition="p")
    store.do(behind)
    return holder


def test_a_partition_that_a_waiting_run_holds_is_a_finding(store, clock, evaluate, blocked):
    """After an hour, with the holder; over when it ends."""
    clock.forward(HOUR - 1)
    assert evaluate(K.PARTITION_HELD) == []
    clock.forward(1)
    (finding,) = evaluate(K.PARTITION_HELD)
    assert finding.text == f"1 run waits for partition p for 1h: run {blocked.id} has it and waits"
    assert f"mainspring explain {blocked.id}" in finding.hint
    store.do(event())
    store.do(finish(store.claim().runs[0]))
    assert evaluate(K.PARTITION_HELD) == []


def test_one_partition_that_is_held_is_found_among_many(store, clock, evaluate, blocked):
    """By a look into each line, of several queues too."""
    for queue in ("default", "other"):
        for n in range(5):
            store.begin(partition=f"q{n}", queue=queue)
            store.start(partition=f"q{n}", queue=queue)
    clock.forward(2 * HOUR)
    assert [finding.facts["run"] for finding in evaluate(K.PARTITION_HELD)] == [blocked.id], "the others run"


def test_runs_that_no_worker_serves_are_a_finding_that_names_what_is_missing(store, clock, evaluate):
    """A tag, a queue, a version; within five minutes, with the command."""
    store.announce("a")
    store.claim(tags=("cpu",), queues=("default",))
    store.start(tag="gpu")
    store.start(queue="mail")
    clock.forward(4 * MINUTE - 1)
    assert evaluate(K.UNSERVED) == []
    clock.forward(1)
    found = {finding.text: finding.hint for finding in evaluate(K.UNSERVED)}
    assert found == {
        "1 run waits, the oldest for 4m: no running worker has tag gpu": "mainspring up --tag gpu",
        "1 run waits, the oldest for 4m: no running worker serves queue mail": "mainspring up --queue mail",
    }
    store.do(SetQueue("mail"), PauseQueue("mail", True, "ann"))
    assert len(evaluate(K.UNSERVED)) == 1, "what is paused waits for another reason"
    assert all(finding.severity is Severity.NOTIFY for finding in evaluate(K.UNSERVED))
