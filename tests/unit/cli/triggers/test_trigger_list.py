"""triggers list, show, replay: on a store to which a worker announced triggers, and to which deliveries came."""

import msgspec
import pytest

from mainspring.domain.ids import make_id
from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.insight.triggers.delivery_view import remove_secret_headers
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.triggers import RejectDelivery
from tests.unit.cli.trigger_shop import BOT, DAY, MINUTE, end_of_extract, gather, start, take_in


def test_list_states_what_each_listens_to_and_what_was_delivered(cli, shop) -> None:
    """Source and pace in words, state, verdicts of a day, the last delivery."""
    run = start(shop, "bot", "r_1")
    delivery = take_in(shop, start=run)
    take_in(shop, key="k2", pace=FlowControl(debounce=60_000))
    shop.do(RejectDelivery(id=make_id("d", shop.now, 5), trigger="bot/event", why="bad_signature", note="no", body=b""))
    rows = {row["name"]: row for row in cli("triggers", "list", "--json").json}
    assert list(rows) == ["bot/event", "load/run", "report/runs"]
    bot = rows["bot/event"]
    assert delivery.state is DeliveryState.STARTED
    assert bot["arrived"] == {"started": 1, "held": 1, "refused": 1}
    assert (bot["at_the_door"], bot["state"], bot["pace"]) == (1, "listening", ["debounce 1m", "by {data.id}"])
    out = cli("triggers", "list").out
    assert 'event built where branch = "main"' in out
    assert "a run of extract that ended well" in out
    assert "runs of extract and load that ended well, for one slot, within 2h" in out
    assert "nothing" not in cli("triggers", "list", "--name", "report").out
    assert [row["name"] for row in cli("triggers", "list", "--since", "1h", "--json").json] == ["bot/event"]
    assert cli("triggers", "list", "--state", "problem", "--json").json == []


def test_list_without_a_store_is_an_error(cli) -> None:
    """It names the fix: an empty list would hide a mistyped store."""
    result = cli("triggers", "list")
    assert (result.code, result.out) == (2, "")
    assert "there is no store" in result.err
    assert "mainspring up" in result.err


def test_show_trigger_names_what_is_held_and_what_was_delivered(cli, shop) -> None:
    """What it holds with its due time, what it gives a run, the last deliveries with their reasons."""
    take_in(shop, pace=FlowControl(debounce=60_000), by="7")
    shop.do(RejectDelivery(id=make_id("d", shop.now, 5), trigger="bot/event", why="bad_signature", note="no", body=b""))
    result = cli("triggers", "show", "bot")
    assert result.code == 0
    assert "with the data as build" in result.out
    assert "held      1 delivery of '7', due" in result.out
    assert "sender bad_signature; no" in result.out
    data = cli("triggers", "show", "bot/event", "--json").json
    assert data["held"][0]["number"] == 1
    assert [row["state"] for row in data["deliveries"]] == ["refused", "held"]
    assert "'bot/event'" in cli("triggers", "show", "bot/evnt").err


def test_show_names_what_is_missing_of_a_gathering(cli, shop) -> None:
    """The ends that are there, the name that is missing, and until when."""
    run = end_of_extract(shop, RunState.SUCCEEDED)
    gather(shop, run, counts=True, deadline_at=shop.now + 60 * MINUTE)
    out = cli("triggers", "show", "report").out
    assert "waits     slot 2026-01-05 02:00:00: extract arrived, load missing, until" in out
    (waiting,) = cli("triggers", "show", "report", "--json").json["waits_for"]
    assert (waiting["here"], waiting["missing"], waiting["runs"]) == (["extract"], ["load"], {"extract": run})


def test_show_states_since_when_a_gathering_is_late(cli, shop) -> None:
    """Once its deadline has passed."""
    gather(shop, end_of_extract(shop, RunState.SUCCEEDED), counts=True, deadline_at=shop.now - MINUTE)
    assert "extract arrived, load missing, late since" in cli("triggers", "show", "report").out
    (waiting,) = cli("triggers", "show", "report", "--json").json["waits_for"]
    assert waiting["is_late"]


def test_show_distinguishes_failed_and_missing_runs_of_a_join(cli, shop) -> None:
    """By how it ended and its id, with which it can be continued."""
    run = end_of_extract(shop, RunState.FAILED)
    gather(shop, run, counts=False, deadline_at=shop.now + 60 * MINUTE)
    out = cli("triggers", "show", "report").out
    assert f"waits     slot 2026-01-05 02:00:00: extract failed ({run}), load missing, until" in out
    (waiting,) = cli("triggers", "show", "report", "--json").json["waits_for"]
    assert (waiting["missing"], waiting["ended"]) == (["extract", "load"], {"extract": "failed"})


def test_show_delivery_prints_it_as_it_came_without_what_proves_its_sender(cli, shop) -> None:
    """Headers and body are those on record; a signature is not printed, in text or JSON."""
    delivery = take_in(shop, verified="genuine", start=start(shop, "bot", "r_1"))
    result = cli("triggers", "show", delivery.delivery)
    assert "x-id: 7" in result.out
    assert '"id": 7' in result.out
    assert "genuine" in result.out
    assert "r_1" in result.out
    data = cli("triggers", "show", delivery.delivery, "--json").json
    assert (data["body"], data["run"], data["state"]) == ({"id": 7}, "r_1", "started")
    assert "s3cret" not in result.out + cli("triggers", "show", delivery.delivery, "--json").out
    assert cli("triggers", "show", delivery.delivery[:-3], "--json").json["id"] == delivery.delivery
    assert cli("triggers", "show", "d_nothing").code == 3


@pytest.mark.parametrize(
    "name",
    ["x-hub-signature-256", "stripe-signature", "authorization", "cookie", "x-gitlab-token", "x-api-key", "X-Secret"],
)
def test_headers_that_prove_a_sender_are_hidden(name) -> None:
    """Whatever its letters' case."""
    assert remove_secret_headers({name: "v", "x-id": "v"}) == {name: "(not shown)", "x-id": "v"}


@pytest.mark.parametrize(("body", "rendered"), [(b"plain text", "plain text"), (b"\xff\xfe", {"base64": "//4="})])
def test_body_that_is_no_json_is_displayed_as_it_can_be(cli, shop, body, rendered) -> None:
    """Text as text, bytes as base64."""
    delivery = take_in(shop, body=body)
    assert cli("triggers", "show", delivery.delivery, "--json").json["body"] == rendered


def test_delivery_of_an_event_displays_what_it_reports(cli, shop) -> None:
    """A published event is not stored again: it is read where it is."""
    shop.do(PublishEvent("e_1", "built", b'{"branch":"main","id":3}', shop.now + DAY))
    ((delivery, *_),) = [
        row[1:2] for row in shop.store.reader.read("list_received_deliveries", (0, "bot/event", 0, 10))
    ]
    data = cli("triggers", "show", delivery, "--json").json
    assert data["tells_of"]["data"] == {"branch": "main", "id": 3}
    assert "tells of" in cli("triggers", "show", delivery).out


def test_replay_is_one_delivery_however_often_it_is_requested(cli, shop) -> None:
    """The same command id acts once; the new delivery names the old one, and the act is on record."""
    delivery = take_in(shop)
    assert delivery.state is DeliveryState.FAILED
    first = cli("triggers", "replay", delivery.delivery, "--command-id", "again-1", "--reason", "mended", "--json").json
    second = cli("triggers", "replay", delivery.delivery, "--command-id", "again-1", "--json").json
    assert first == second
    assert (first["replay_of"], first["state"]) == (delivery.delivery, "received")
    assert len(cli("triggers", "show", "bot", "--json").json["deliveries"]) == 2
    (row,) = [row for row in cli("audit-log", "list", "--json").json if row["verb"] == "replay"]
    assert (row["subject"], row["reason"]) == (f"delivery:{delivery.delivery}", "mended")
    assert cli("triggers", "replay", "d_nothing").code == 3


def test_replay_of_a_rejected_delivery_is_refused(cli, shop) -> None:
    """Its body was not kept: who sent it has to send it again."""
    delivery = make_id("d", shop.now, 5)
    shop.do(RejectDelivery(id=delivery, trigger="bot/event", why="bad_signature", note="no", body=b""))
    result = cli("triggers", "replay", delivery)
    assert result.code == 8
    assert f"delivery {delivery} was rejected" in result.err
    assert "let its sender send it again" in result.err


def test_replay_of_what_nothing_listens_to_any_more_is_refused(cli, shop) -> None:
    """It says that the trigger is gone."""
    delivery = take_in(shop)
    shop.announce(msgspec.structs.replace(BOT, triggers={}))
    result = cli("triggers", "replay", delivery.delivery)
    assert result.code == 3
    assert "triggers list" in result.err


def test_replay_of_all_that_a_filter_means_is_a_bulk_operation(cli, shop) -> None:
    """Counted first, wanting a yes, once for one command id; one delivery and a filter do not go together, nor does neither."""
    delivery = take_in(shop)
    shop.do(RejectDelivery(id=make_id("d", shop.now, 5), trigger="bot/event", why="bad_signature", note="no", body=b""))
    words = ("triggers", "replay", "--trigger", "bot", "--since", "1d")
    dry = cli(*words, "--dry-run")
    assert "Replay deliveries for bot/event since 1d: 1 delivery (1 more match and are left out: rejected" in dry.out
    for _ in range(2):
        started = cli(*words, "--rate", "10/s", "-y", "--command-id", "night", "--json").json
        assert started == {"bulk": "night", "deliveries": 1}
    assert run_next_piece(shop.store)
    repeats = [delivery["replay_of"] for delivery in cli("triggers", "show", "bot", "--json").json["deliveries"]]
    assert repeats.count(delivery.delivery) == 1
    assert "1 of 1 delivery done." in cli("bulk", "show", "night").out
    assert cli("triggers", "replay", "--state", "failed", "-y").code != 0
    for invalid in (
        [],
        [delivery.delivery, "--state", "failed"],
        [delivery.delivery, "--rate", "1/s"],
        [delivery.delivery, "--dry-run"],
    ):
        assert cli("triggers", "replay", *invalid, "-y").code == 2
