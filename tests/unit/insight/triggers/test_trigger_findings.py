"""What status and doctor say of triggers, and what explain says of upstream runs."""

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.ids import make_id
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.states import RunState
from mainspring.domain.triggers.event_sources import RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.insight.automations.dependencies import build_graph
from mainspring.insight.triggers.trigger_findings import list_trigger_findings, list_undeclared
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.store.commands.automations import PauseAutomation
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.runs import SlotLink
from mainspring.store.commands.sessions import RecordProcessFindings
from mainspring.store.commands.triggers import RejectDelivery, ReportConsumer
from tests.unit.cli.trigger_shop import (
    DAY,
    EXTRACT,
    LOAD,
    MINUTE,
    SLOT,
    end_of_extract,
    gather,
    start,
    take_in,
)


def report(shop, later: int = 0) -> dict[str, bool]:
    """Each finding with whether it is urgent."""
    return {finding.text: finding.is_urgent for finding in list_trigger_findings(shop.store.reader, shop.now + later)}


def test_healthy_trigger_has_no_finding(cli, shop) -> None:
    """A fresh store with triggers has no finding."""
    assert report(shop) == {}
    checks = {check["name"]: check["state"] for check in cli("doctor", "--json").json}
    assert (checks["triggers"], checks["deliveries"]) == ("ok", "ok")


def test_doctor_reads_what_is_wrong_once(cli, shop, monkeypatch) -> None:
    """Two checks tell of it."""
    reads = []

    def counted(*args):
        reads.append(args)
        return list_trigger_findings(*args)

    monkeypatch.setattr("mainspring.cli.doctor.trigger_checks.list_trigger_findings", counted)
    take_in(shop)
    checks = {check["name"]: check["state"] for check in cli("doctor", "--json").json}
    assert (checks["triggers"], checks["deliveries"]) == ("ok", "problem")
    assert len(reads) == 1


def test_webhook_without_its_secret_is_urgent_from_the_first_report(cli, shop) -> None:
    """status and doctor name it at once; the incident, which opens later, names it then."""
    finding = ProcessFinding(ProcessFindingKind.SECRET, "bot/webhook", "the secret 'KEY' is not set", shop.now)
    shop.do(RecordProcessFindings((finding,)))
    (text,) = report(shop)
    assert text.startswith("bot/webhook accepts nothing on ")
    assert text.endswith(": the secret 'KEY' is not set")
    status = cli("status", "--json")
    assert (status.code, [text in problem for problem in status.json["problems"]]) == (9, [True])
    assert "mainspring triggers show bot/webhook" in cli("doctor").out


def test_failed_deliveries_are_urgent_until_a_person_decides(cli, shop) -> None:
    """status names them with the command that shows why; tomorrow too."""
    take_in(shop)
    (text,) = report(shop)
    assert text.startswith("1 delivery of bot/event failed and started nothing: ")
    assert report(shop) == report(shop, DAY + 2 * MINUTE) == {text: True}
    assert any("triggers show bot/event" in problem for problem in cli("status", "--json").json["problems"])
    assert "replay DELIVERY" in cli("doctor").out


def test_requests_rejected_are_not_urgent(shop) -> None:
    """Rubbish to a public address is no alarm; a sender that was known and is rejected has an incident."""
    shop.do(RejectDelivery(id=make_id("d", shop.now, 5), trigger="bot/event", why="bad_signature", note="no", body=b""))
    (text,) = report(shop)
    assert "is it set up for its sender?" in text
    assert not report(shop)[text]
    take_in(shop, start=start(shop, "bot", "r_1"))
    assert report(shop) == {"bot/event rejected at least 1 request within a day": False}


def test_invalid_delivery_is_urgent(shop) -> None:
    """A sender that is known sends what no run can be made of."""
    take_in(shop, refused="no field id")
    assert report(shop) == {"1 delivery of bot/event was rejected and started nothing: no field id": True}


def test_broker_that_is_unreachable_is_reported_with_its_reason(cli, shop) -> None:
    """At once by doctor, by status after a minute; not while its automation is paused."""
    source = parse_broker_queue("nats://broker/orders?subject=orders.new")
    shop.announce(Definition(kind=DefinitionKind.TASK, name="orders", triggers={"queue": Trigger(source=source)}))
    shop.do(ReportConsumer("orders/queue", None, shop.now - 5_000, "connection refused"))
    assert list(report(shop).values()) == [False]
    ((text, urgent),) = report(shop, 2 * MINUTE).items()
    assert urgent
    assert "receives nothing for 2m5s: connection refused" in text
    row = cli("triggers", "list", "--state", "unreachable", "--json").json[0]
    assert (row["name"], row["why"]) == ("orders/queue", "connection refused")
    assert "is unreachable since" in cli("triggers", "list").err
    shop.do(PauseAutomation("orders", None, "ann", None))
    assert report(shop, 2 * MINUTE) == {}
    shop.do(ReportConsumer("orders/queue", shop.now, None, None))
    assert cli("triggers", "list", "--state", "unreachable", "--json").json == []


def test_folder_that_is_missing_is_urgent_at_once(cli, shop) -> None:
    """Unlike a broker that restarts, it does not come back by itself."""
    source = WatchedFolder(folder="/srv/inbox")
    shop.announce(Definition(kind=DefinitionKind.TASK, name="import", triggers={"files": Trigger(source=source)}))
    shop.do(ReportConsumer("import/files", None, shop.now - 5_000, "the folder /srv/inbox does not exist"))
    ((text, urgent),) = report(shop).items()
    assert urgent
    assert text.endswith("receives nothing for 5s: the folder /srv/inbox does not exist")
    assert any("/srv/inbox does not exist" in problem for problem in cli("status", "--json").json["problems"])


def test_trigger_that_listens_reports_what_is_in_its_way(cli, shop) -> None:
    """A consumer that is connected may leave files out, or move none: list, show and doctor say so; for status it is no emergency."""
    source = WatchedFolder.parse("/srv/in", after_success="done")
    shop.announce(Definition(kind=DefinitionKind.TASK, name="inbox", triggers={"files": Trigger(source=source)}))
    shop.do(ReportConsumer("inbox/files", shop.now - 5_000, None, "no file can be moved aside"))
    text = "inbox/files works, but: no file can be moved aside"
    assert report(shop) == {text: False}
    (row,) = [row for row in cli("triggers", "list", "--json").json if row["name"] == "inbox/files"]
    assert (row["state"], row["why"]) == ("listening", "no file can be moved aside")
    assert f"{text}\n" in cli("triggers", "list").err
    assert "why       no file can be moved aside" in cli("triggers", "show", "inbox").out
    (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "triggers"]
    assert (check["state"], check["text"]) == ("warning", text)
    assert text not in cli("status").out
    shop.do(ReportConsumer("inbox/files", shop.now, None, None))
    assert report(shop) == {}


def test_message_that_left_its_queue_unread_is_urgent(shop) -> None:
    """No secret is in question there, and no one sends it again."""
    source = parse_broker_queue("nats://broker/orders?subject=orders.new")
    shop.announce(Definition(kind=DefinitionKind.TASK, name="orders", triggers={"queue": Trigger(source=source)}))
    shop.do(ReportConsumer("orders/queue", shop.now, None, None))
    shop.do(
        RejectDelivery(id=make_id("d", shop.now, 5), trigger="orders/queue", why="misfit", note="no key", body=b"x")
    )
    assert report(shop) == {"1 delivery of orders/queue was rejected and started nothing: no key": True}


def test_late_gathering_names_what_is_there(shop) -> None:
    """Once its deadline has passed."""
    gather(shop, end_of_extract(shop, RunState.SUCCEEDED), counts=True, deadline_at=shop.now + MINUTE)
    assert report(shop) == {}
    ((text, urgent),) = [item for item in report(shop, 2 * MINUTE).items() if "late" in item[0]]
    assert urgent
    assert text == "report/runs waits for runs that are late by 1m: only extract arrived"


def test_late_gatherings_of_one_trigger_are_one_finding(shop) -> None:
    """However many slots are late: one line, with how many, and how the first of them ended that do not count."""
    run = end_of_extract(shop, RunState.FAILED)
    gather(shop, run, counts=False, deadline_at=shop.now + MINUTE)
    gather(
        shop,
        end_of_extract(shop, RunState.SUCCEEDED, SLOT + DAY),
        counts=True,
        deadline_at=shop.now + MINUTE,
        per=SLOT + DAY,
    )
    found = [text for text in report(shop, 2 * MINUTE) if "late" in text]
    assert found == [
        "report/runs waits for runs that are late for 2 starts, the first by 1m: none of them arrived, extract failed"
    ]


def test_undecided_deliveries_are_reported(shop) -> None:
    """After five minutes: without a filter it is the scheduler that is missing, with one a worker that has it."""
    shop.do(PublishEvent("e_1", "built", b'{"branch":"main"}', shop.now + DAY))
    assert report(shop) == {}
    assert "no scheduler process decides on them" in str(report(shop, 6 * MINUTE))
    take_in(shop, filtered=True)
    assert "no running worker has loaded their filter" in str(report(shop, 6 * MINUTE))


def test_upstream_that_no_one_declares_is_a_warning(cli, shop) -> None:
    """A name that is misspelt would be waited for in silence."""
    (fault,) = list_undeclared(build_graph({"load": ({"run": Trigger(source=RunEndSource(automation="extrct"))}, [])}))
    assert "'extrct'" in fault.text
    shop.announce(msgspec.structs.replace(LOAD, triggers={"run": Trigger(source=RunEndSource(automation="extrct"))}))
    assert any("extrct" in check["text"] for check in cli("doctor", "--json").json if check["name"] == "triggers")


def test_explain_lists_automations_blocked_by_a_failed_upstream(cli, shop) -> None:
    """By name, with its slot and deadline, and what follows; a run that is continued and goes well holds up nothing."""
    run = end_of_extract(shop, RunState.FAILED)
    gather(shop, run, counts=False, deadline_at=shop.now + 2 * 60 * MINUTE)
    out = cli("explain", run).out
    assert "It blocks load, and after it report." in out
    assert "It blocks report (slot 2026-01-05 02:00:00, until" in out
    data = cli("explain", run, "--json").json
    assert [run["automation"] for run in data["holds_up"]] == ["load", "report"]
    good = end_of_extract(shop, RunState.SUCCEEDED, SLOT + DAY)
    assert cli("explain", good, "--json").json["holds_up"] == []
    assert [run["automation"] for run in cli("explain", run, "--json").json["holds_up"]] == ["report"]


def test_explain_lists_automations_blocked_by_an_unfinished_upstream(cli, shop) -> None:
    """As soon as it is started: who waits need not have begun to wait."""
    run = shop.start(EXTRACT, slot=SlotLink("extract", SLOT))
    assert "It blocks report (slot 2026-01-05 02:00:00)." in cli("explain", run).out


def test_explain_states_which_delivery_started_a_run(cli, shop) -> None:
    """With its trigger and key."""
    delivery = take_in(shop, start=start(shop, "bot", "r_01kb00000000000000000000aa"))
    out = cli("explain", "r_01kb00000000000000000000aa").out
    assert f"It was started by delivery {delivery.delivery} of bot/event (key k)" in out
    assert cli("runs", "show", "r_01kb00000000000000000000aa", "--json").json["deliveries"] == [delivery.delivery]


def test_queue_source_reads_in_words() -> None:
    """Where it is, without a secret."""
    from mainspring.insight.automations.source_description import describe_source

    queue = parse_broker_queue("nats://broker/orders?subject=orders.new")
    assert describe_source(queue) == "queue orders orders.new at nats://broker"
