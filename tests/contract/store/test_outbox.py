"""What a step sends: committed with its outcome, given to one Sender at a time, kept until a broker has it."""

import msgspec
import pytest

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import MessageState, OutcomeState, RunState
from mainspring.store.commands.automations import ApplyRetention, SetMeta
from mainspring.store.commands.outbox import DiscardMessage, MessageRefusal, RetryMessage, SettleQueue
from mainspring.store.commands.results import CLAIM_LOST, DONE, Refused
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.outbox import RefusedMessages
from mainspring.store.views import Capped
from tests.contract.store.process import audited, complete, event, outcome, post, suspend, take, wait_for


def queues(leased):
    return {queue.name: [message.id for message in queue.messages] for queue in leased.queues}


def settle(leased, **options):
    return SettleQueue(leased.lease, "orders/eu", **options)


@pytest.mark.parametrize("save", [lambda run, **options: outcome(run, 1, **options), complete], ids=["outcome", "end"])
def test_messages_commit_with_the_outcome(store, save):
    """What an outcome sends is there with it, in order, with all that its receiver is to get."""
    run = store.begin()
    posts = (
        post(id="m1", body=b'"QQ=="', is_raw=True, key="k", headers=b'{"a":"b"}'),
        post("b/x", id="m2"),
        post(id="m3"),
    )
    assert store.do(save(run, posts=posts)) == DONE
    accepted = store.do(take())
    assert queues(accepted) == {"orders/eu": ["m1", "m3"], "b/x": ["m2"]}
    (first, _) = accepted.queues[0].messages
    assert (first.body, first.is_raw, first.key, first.headers) == (b'"QQ=="', True, "k", b'{"a":"b"}')
    assert [(m.id, m.run, m.state) for m in store.read("list_messages_of", run.id)] == [
        (name, run.id, MessageState.UNSENT) for name in ("m1", "m2", "m3")
    ]


@pytest.mark.parametrize("save", [lambda run, **options: outcome(run, 1, **options), complete], ids=["outcome", "end"])
def test_event_commits_with_the_outcome(store, save):
    """What an outcome publishes is handed in its commit to everyone who waits for it."""
    waiting = store.begin()
    store.do(wait_for(waiting), suspend(waiting))
    run = store.begin()
    assert store.do(save(run, events=(event(data=b'{"x":1}'),))) == DONE
    assert [(fact.kind, fact.payload) for fact in store.history(waiting.id).facts] == [(FactKind.EVENT, b'{"x":1}')]
    assert store.ids() == [waiting.id]


@pytest.mark.parametrize("save", [lambda run, **options: outcome(run, 1, **options), complete], ids=["outcome", "end"])
def test_lost_claim_sends_nothing(store, save):
    """Of a run that is another's nothing is sent and nothing published."""
    waiting = store.begin()
    store.do(wait_for(waiting), suspend(waiting))
    run = store.begin()
    zombie = msgspec.structs.replace(run, claim=run.claim - 1)
    assert store.do(save(zombie, posts=(post(),), events=(event(),))) == CLAIM_LOST
    assert queues(store.do(take())) == {}
    assert store.history(waiting.id).facts == []


@pytest.mark.parametrize("save", [lambda run, **options: outcome(run, 1, **options), complete], ids=["outcome", "end"])
def test_outcome_that_is_sent_again_sends_once(store, save):
    """A commit of unknown outcome is sent again: one message, also where the first was sent and forgotten meanwhile."""
    waiting = store.begin()
    store.do(wait_for(waiting, ident="e1"), wait_for(waiting, ident="e2"))
    run = store.begin()
    saved = save(run, posts=(post(id="m1"),), events=(event(id="ev"),))
    assert store.twice(saved) == DONE
    assert len(store.history(waiting.id).facts) == 1
    first = take()
    assert queues(store.do(first)) == {"orders/eu": ["m1"]}
    (message,) = store.read("list_messages_of", run.id)
    store.do(settle(first, sent=(1,)))
    assert message.id == "m1"
    assert store.read("list_messages_of", run.id) == []
    assert store.again(saved) == DONE
    assert store.read("list_messages_of", run.id) == []


def test_many_outcomes_of_a_group_send_in_their_order(store):
    """In one group each outcome sends its own, in the order of the group, those with events in between as well."""
    runs = [store.begin() for _ in range(6)]
    saved = [
        outcome(run, 1, posts=(post(id=f"m{n}a"), post(id=f"m{n}b")), events=(event(),) if n == 3 else ())
        if n % 2
        else complete(run, posts=(post(id=f"m{n}a"),))
        for n, run in enumerate(runs)
    ]
    assert store.do(*saved) == [DONE] * 6
    sent = queues(store.do(take()))["orders/eu"]
    of_outcomes = [name for name in sent if name.endswith("b") or int(name[1]) % 2]
    assert of_outcomes == ["m1a", "m1b", "m3a", "m3b", "m5a", "m5b"]
    assert sorted(sent) == sorted([*of_outcomes, "m0a", "m2a", "m4a"])


def test_guilty_neighbour_loses_and_doubles_nothing(store):
    """A group with a command that cannot be executed is split: what the others send is there once, what it sends is not."""
    runs = [store.begin() for _ in range(4)]
    saved = [outcome(run, 1, posts=(post(id=f"m{n}"),), events=(event(),)) for n, run in enumerate(runs)]
    saved[2] = msgspec.structs.replace(saved[2], name=None)
    answers = store.do(*saved)
    assert isinstance(answers[2], Exception)
    assert [answer for n, answer in enumerate(answers) if n != 2] == [DONE] * 3
    assert queues(store.do(take())) == {"orders/eu": ["m0", "m1", "m3"]}


def test_known_id_is_the_same_message(store):
    """A step that a person lets run again under its key sends what it sent before; an unsent message is not doubled."""
    first, again = store.begin(), store.begin()
    store.do(outcome(first, 1, state=OutcomeState.REFUSED, posts=(post(id="m1", body=b"1"),)))
    store.do(outcome(again, 1, posts=(post(id="m1", body=b"2"),)))
    (queue,) = store.do(take()).queues
    assert [(m.id, m.body) for m in queue.messages] == [("m1", b"1")]


def test_queue_is_one_senders(store, second, clock):
    """While one Sender has a queue no other gets it; when its lease is over, another does."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"), post("b/x", id="m2"))))
    assert queues(store.do(take(queues=1))) == {"orders/eu": ["m1"]}
    assert queues(second.do(take())) == {"b/x": ["m2"]}
    assert queues(store.do(take())) == {}
    assert not store.read("can_send", clock.now())
    clock.forward(1_000)
    assert store.read("can_send", clock.now())
    assert queues(second.do(take())) == {"orders/eu": ["m1"], "b/x": ["m2"]}


def test_dead_senders_queue_is_free(store, second):
    """A Sender that was declared dead keeps no queue from the others, however long its lease."""
    run = second.begin()
    second.do(outcome(run, 1, posts=(post(id="m1"),)))
    assert queues(store.do(take(lease_ms=10**9))) == {"orders/eu": ["m1"]}
    second.do(DeclareSessionDead(store.session))
    assert queues(second.do(take())) == {"orders/eu": ["m1"]}


def test_taking_again_finds_the_same(store):
    """A take whose answer was lost is answered alike."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(), post("b/x"), post())))
    assert queues(store.twice(take())).keys() == {"orders/eu", "b/x"}


def test_settled_queue_continues(store):
    """What was sent is gone, what was refused stands aside, the rest is next."""
    run = store.begin()
    store.do(outcome(run, 1, posts=tuple(post(id=f"m{n}") for n in range(4))))
    first = take(messages=3)
    (queue,) = store.do(first).queues
    earlier, second, three = (message.seq for message in queue.messages)
    store.twice(settle(first, sent=(earlier, three), refused=(MessageRefusal(second, "too large"),)))
    assert queues(store.do(take())) == {"orders/eu": ["m3"]}
    assert [(m.id, m.fault) for m in store.read("list_refused_messages")] == [("m1", "too large")]
    assert store.read("refused_messages") == RefusedMessages(Capped(1, more=False), "too large")


def test_refused_messages_are_counted_up_to_a_cap(store):
    """What no broker took is reported by the reason of the oldest; none has none."""
    assert store.read("refused_messages") == RefusedMessages(Capped(0, more=False), None)
    run = store.begin()
    store.do(outcome(run, 1, posts=tuple(post(id=f"m{n}") for n in range(3))))
    lease = take(messages=3)
    (queue,) = store.do(lease).queues
    store.do(settle(lease, refused=tuple(MessageRefusal(m.seq, f"{m.id} is too large") for m in queue.messages)))
    assert store.read("refused_messages", cap=2) == RefusedMessages(Capped(2, more=True), "m0 is too large")


def test_broker_that_is_unreachable_puts_its_queue_off(store, clock):
    """A queue that cannot be sent to is left alone for a while, and says since when and why; success ends that."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"), post(id="m2"))))
    started_at = clock.now()
    for failures in (1, 2):
        lease = take()
        assert [queue.failures for queue in store.do(lease).queues] == [failures - 1]
        store.twice(settle(lease, away="no route", retry_after_ms=500))
        assert queues(store.do(take())) == {}
        (outbox_queue,) = store.read("list_outbox_queues")
        assert (outbox_queue.name, outbox_queue.failures, outbox_queue.since_at, outbox_queue.fault, outbox_queue.due_at) == (
            "orders/eu", failures, started_at, "no route", clock.now() + 500,
        )  # fmt: skip
        clock.forward(500)
    lease = take()
    (queue,) = store.do(lease).queues
    store.do(settle(lease, sent=(queue.messages[0].seq,), away="closed", retry_after_ms=0))
    (outbox_queue,) = store.read("list_outbox_queues")
    assert (outbox_queue.failures, outbox_queue.since_at) == (1, clock.now())
    lease = take()
    (queue,) = store.do(lease).queues
    store.do(settle(lease, sent=(queue.messages[0].seq,)))
    assert store.read("list_outbox_queues") == []


def test_late_sender_frees_nothing_of_another(store, second, clock):
    """Who lost its lease may say what it sent, but the queue stays with who has it now."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"), post(id="m2"))))
    late = take()
    (queue,) = store.do(late).queues
    clock.forward(1_000)
    second.do(take())
    store.do(settle(late, sent=(queue.messages[0].seq,)))
    assert queues(store.do(take())) == {}
    assert [message.id for message in store.read("list_messages_of", run.id)] == ["m2"]


def test_refused_message_is_sent_again_by_hand(store):
    """A person lets it be sent again, in its old place; once by one command."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"), post(id="m2"))))
    lease = take()
    (queue,) = store.do(lease).queues
    store.do(settle(lease, refused=(MessageRefusal(queue.messages[0].seq, "no such stream"),)))
    assert store.do(audited(RetryMessage("m1"))) == DONE
    assert queues(store.do(take())) == {"orders/eu": ["m1", "m2"]}
    assert store.do(RetryMessage("m9")).code == "not_found"


def test_message_is_discarded_by_hand(store):
    """A person gives a message up that was not sent."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"),)))
    assert store.twice(audited(DiscardMessage("m1"))) == DONE
    assert store.read("list_messages_of", run.id) == []
    assert isinstance(store.do(DiscardMessage("m1")), Refused)


def test_message_that_was_sent_meanwhile_is_not_discarded(store):
    """Nor where the act is submitted again because its answer was lost: only what is on record was done."""
    answer = store.again(audited(DiscardMessage("m1")))
    assert isinstance(answer, Refused)
    assert answer.code == "not_found"


def test_large_messages_come_a_few_at_a_time(store):
    """A take brings a bounded size into memory, but always one message."""
    run = store.begin()
    store.do(outcome(run, 1, posts=tuple(post(id=f"m{n}", body=b"1" * 700_000) for n in range(3))))
    assert queues(store.do(take())) == {"orders/eu": ["m0", "m1"]}


def test_restored_store_sends_nothing_before_it_is_released(store, clock):
    """What lies in a backup may have been sent since: a person decides first, and may discard it."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"),)))
    store.do(SetMeta("held", "1"))
    assert not store.read("can_send", clock.now())
    assert queues(store.do(take())) == {}
    store.do(SetMeta("held", None))
    assert store.read("can_send", clock.now())
    assert queues(store.do(take())) == {"orders/eu": ["m1"]}


def test_outage_of_an_empty_queue_is_forgotten(store, clock):
    """A queue whose messages were all discarded leaves no trace; one that still holds some keeps its trouble."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"), post("b/x", id="m2"))))
    lease = take()
    store.do(lease)
    for name in ("orders/eu", "b/x"):
        store.do(SettleQueue(lease.lease, name, away="no route", retry_after_ms=5))
    store.do(DiscardMessage("m1"))
    clock.forward(5)
    store.do(ApplyRetention(None, None, None, None, None))
    assert store.reader.read_text("select queue from outbox_leases") == [("b/x",)]


def test_lease_of_an_empty_queue_that_no_one_gave_back_is_forgotten(store, clock):
    """Its Sender died, and a person discarded what it had taken; a lease that has not run out stays."""
    run = store.begin()
    store.do(outcome(run, 1, posts=(post(id="m1"),)))
    lease = take()
    store.do(lease, DiscardMessage("m1"))
    prune = ApplyRetention(None, None, None, None, None)
    store.do(prune)
    assert store.reader.read_text("select queue from outbox_leases") == [("orders/eu",)]
    clock.forward(lease.lease_ms)
    store.do(prune)
    assert store.reader.read_text("select queue from outbox_leases") == []


def test_end_that_publishes_to_its_own_run_ends_it(store):
    """A run that ends with an event which no one waits for is simply over."""
    run = store.begin()
    assert store.do(complete(run, events=(event(), event("other")))) == DONE
    assert store.state(run.id) is RunState.SUCCEEDED
