"""Messages that no broker has: told by status, doctor and explain, listed, sent again and discarded by hand."""

import pytest

from mainspring.store.commands.outbox import LeaseQueues, MessageRefusal, SettleQueue
from tests.contract.store.process import complete, post

MINUTE = 60_000


@pytest.fixture
def sent(stage):
    """A run that sent two messages to one queue and one to another: the first is refused, the second queue's broker is away."""
    run = stage.begin()
    stage.do(complete(run, posts=(post("mail/out", id="m1"), post("mail/out", id="m2"), post("orders/eu", id="m3"))))
    leased = stage.do(LeaseQueues("lease", MINUTE, 9, 9))
    first = next(queue for queue in leased.queues if queue.name == "mail/out").messages[0]
    stage.do(SettleQueue("lease", "mail/out", refused=(MessageRefusal(first.seq, "it is too large"),)))
    stage.do(SettleQueue("lease", "orders/eu", away="ConnectionError: nobody there", retry_after_ms=10**6))
    return run.id


def test_explain_states_what_was_not_sent(cli, sent):
    """A run that is over may have sent what no broker has: refused with the reason and the remedy, waiting with what is in the way."""
    result = cli("explain", sent)
    assert "Message m1 to mail/out was refused: it is too large." in result.out
    assert "failed retry --messages m1" in result.out
    assert "1 message waits to be sent to mail/out." in result.out
    assert "1 message waits to be sent to orders/eu: ConnectionError: nobody there." in result.out


def test_explain_counts_all_that_waits(cli, stage):
    """And names what was refused, however much was sent before it."""
    run = stage.begin()
    posts = (*(post("mail/out", id=f"m{n}") for n in range(150)), post("orders/eu", id="late"))
    stage.do(complete(run, posts=posts))
    (queue,) = [queue for queue in stage.do(LeaseQueues("lease", MINUTE, 9, 9)).queues if queue.name == "orders/eu"]
    stage.do(SettleQueue("lease", "orders/eu", refused=(MessageRefusal(queue.messages[0].seq, "it is too large"),)))
    result = cli("explain", run.id)
    assert "150 messages wait to be sent to mail/out." in result.out
    assert "Message late to orders/eu was refused: it is too large." in result.out


def test_status_and_doctor_report_what_waits(cli, stage, sent, monkeypatch):
    """At once of what was refused; after a minute of what waits, and why."""
    result = cli("status")
    assert result.code == 9
    assert "1 message was refused by the broker: it is too large. See: mainspring failed list --messages" in result.out
    assert "orders/eu" not in result.out
    later = stage.now + 2 * MINUTE
    monkeypatch.setattr("mainspring.domain.clock.SystemClock.now", lambda self: later)
    result = cli("status")
    assert "Messages to orders/eu wait, the oldest for 2m" in result.out
    assert "ConnectionError: nobody there" in result.out
    assert "Messages to mail/out wait, the oldest for 2m" in result.out
    assert "no process sends them" in result.out
    found = [check for check in cli("doctor", "--json").json if check["name"] == "outbox"]
    assert [(message["state"], message["fix"]) for message in found] == [
        ("problem", "Start it: mainspring up"),
        ("problem", "They are sent when that is fixed."),
        ("problem", "See: mainspring failed list --messages"),
    ]


def test_status_and_doctor_count_what_was_refused_up_to_a_cap(cli, stage):
    """Both say the same, and "+" where counting stopped."""
    run = stage.begin()
    stage.do(complete(run, posts=tuple(post("mail/out", id=f"m{n}") for n in range(1_001))))
    for number in (150, 851):
        (queue,) = stage.do(LeaseQueues("lease", MINUTE, 1, number)).queues
        refused = tuple(MessageRefusal(message.seq, "it is too large") for message in queue.messages)
        stage.do(SettleQueue("lease", "mail/out", refused=refused))
        count = "150" if number == 150 else "1,000+"
        text = f"{count} messages were refused by the broker: it is too large"
        assert [check["text"] for check in cli("doctor", "--json").json if check["name"] == "outbox"] == [text]
        assert f"{text}. See: mainspring failed list --messages" in cli("status").out


def test_doctor_is_content_where_nothing_waits(cli, stage):
    """Without a message the check is green."""
    assert [check["state"] for check in cli("doctor", "--json").json if check["name"] == "outbox"] == ["ok"]


def test_refused_message_is_listed_and_sent_again(cli, stage, sent):
    """By its name, or all of them with a confirmation; on record as an act of a person."""
    rows = cli("failed", "list", "--messages", "--json").json
    assert [(row["id"], row["queue"], row["run"], row["fault"]) for row in rows] == [
        ("m1", "mail/out", sent, "it is too large")
    ]
    assert "it is too large" in cli("failed", "list", "--messages").out
    assert cli("failed", "retry", "--messages", "--dry-run").out.startswith("m1\n")
    assert cli("failed", "retry", "--messages", "m1").code == 0
    assert cli("failed", "list", "--messages", "--json").json == []
    assert "send again" in cli("audit-log", "list").out
    result = cli("failed", "retry", "--messages", "m9")
    assert (result.code, "no message m9 waits" in result.out + result.err) == (8, True)


def test_message_is_discarded(cli, stage, sent):
    """Only with a yes; also one that is not refused, by its name."""
    assert cli("failed", "discard", "--messages").code != 0
    assert cli("failed", "discard", "--messages", "-y").code == 0
    assert cli("failed", "discard", "--messages", "m3", "-y").code == 0
    assert "Message m1" not in cli("explain", sent).out
    assert "orders/eu" not in cli("explain", sent).out


def test_filter_of_runs_means_no_messages(cli, sent):
    """What selects runs does not select messages: that is a mistake, not a wide act."""
    assert cli("failed", "retry", "--messages", "--name", "backup").code == 2
