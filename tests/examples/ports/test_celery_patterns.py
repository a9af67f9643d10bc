"""More ports of Celery's samples: rates, queues, callbacks, cancels and created schedules, through a `kill -9` of the worker."""

import pytest

import mainspring as ms
from examples.ports.celery import database_beat, error_callback, rated_call, revoke, routing, single_export
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld


@pytest.mark.slow
def test_patterns_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed while an encoded video waits and calls wait for their turn: each effect counts once, and each run ends."""
    app = world.app
    approved, revoked = (app.start_sync(revoke.transcode, video) for video in ("v1", "v2"))
    exported = single_export.export(app, "ana")
    world.start_worker("celery", "revoke:remove_parts")
    world.wait_for_waits(approved, revoked, exported)
    calls = [app.start_sync(rated_call.rated_call, "ana", number) for number in range(4)]
    app.cancel_sync(revoked.id, "a wrong file")
    world.wait_for_hangs("revoke:remove_parts")
    database_beat.subscribe(app, "ana", "1s")
    world.wait_until(lambda: "report to ana" in world.read_ledger(), "the first report")
    world.kill_worker()

    again = single_export.export(app, "ana")
    assert (again.id, again.created) == (exported.id, False)
    exported.signal_sync("approved")
    app.answer_sync(approved.id, "yes")
    refused = app.start_sync(error_callback.charge_card, 101)
    charged = app.start_sync(error_callback.charge_card, 7)
    small, code = app.start_sync(routing.resize, "cat.png"), app.start_sync(routing.send_code, "bob")
    world.start_worker("celery")
    assert approved.result_sync(TIMEOUT_S) == "v1"
    assert exported.result_sync(TIMEOUT_S) == 3
    assert [call.result_sync(TIMEOUT_S) for call in calls] == [f"ana {number}" for number in range(4)]
    assert charged.result_sync(TIMEOUT_S) == "charged 7"
    assert (small.result_sync(TIMEOUT_S), code.result_sync(TIMEOUT_S)) == ("small cat.png", "bob")
    for failed in (refused, revoked):
        with pytest.raises(ms.RunFailed):
            failed.result_sync(TIMEOUT_S)
    world.wait_until(lambda: "release stock: permanent_error" in world.read_ledger(), "the callback of the failed task")
    database_beat.unsubscribe(app, "ana")
    assert single_export.export(app, "ana").created

    ledger = world.read_ledger()
    assert world.count_calls("remove parts of v2") == 2
    assert [line for line in ledger if "parts" in line] == ["remove parts of v2"]
    assert sorted(line for line in ledger if line.startswith("call")) == [
        f"call {number} for ana" for number in range(4)
    ]
    assert (ledger.count("encode v1"), ledger.count("encode v2"), ledger.count("export ana")) == (1, 1, 1)
