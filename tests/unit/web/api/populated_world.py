"""A store with each primitive in use, whose names and ids the fuzzer puts into the paths of its requests."""

import io
from pathlib import Path

import msgspec

from mainspring.app.stores.blob_place import make_blob_contents
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.runs.stream import StreamLimits
from mainspring.domain.values.blob import LargeValues
from mainspring.domain.values.codec import DEFAULT_LIMIT, encode
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts.file_ref import FileRef, put_file
from mainspring.service.actor import Actor, operation_context
from mainspring.service.schedule import SchedulingContext, create_schedule
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.updates import RequestUpdate, UpdateRequest
from tests.api_world import BACKUP, PARAMETERS, PAY, ApiWorld, announce, sqlite_world
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import finish, suspend
from tests.contract.store.test_streams import write
from tests.unit.web.dashboard.run_world import ask, claimed, failed

_OPTIONS: dict[str, dict[str, object]] = {
    "debounced": {"debounce": "10s", "debounce_within": "1m", "per": "{amount}"},
    "throttled": {"throttle": "2/1h", "per": "{to}"},
    "paced": {"rate": "1/1m", "per": "{amount}"},
    "limited": {"concurrency": 1, "per": "{amount}", "cancel_in_progress": True},
    "keyed": {"key": "{amount}"},
}
ORDER = Definition(kind=DefinitionKind.WORKFLOW, name="order", parameters=PARAMETERS)
DEFINITIONS = (
    *(PAY, BACKUP, ORDER),
    *(
        Definition(kind=DefinitionKind.TASK, name=name, options=o, parameters=PARAMETERS)
        for name, o in _OPTIONS.items()
    ),
)
_FORM = msgspec.json.schema(msgspec.defstruct("Refund", [("cents", int), ("method", str, "card")]))
_LARGE = 40


def make_populated_world(folder: Path) -> ApiWorld:
    """Return a world whose values of some bytes are stored by reference."""
    clock = FakeClock()
    contents = make_blob_contents(folder / "state.db")
    world = sqlite_world(
        folder,
        Sealing(None, DEFAULT_LIMIT, large=LargeValues(contents, clock.now, _LARGE, contents.read_file_key)),
        clock,
    )
    announce(world.store, *DEFINITIONS)
    return world


def populate(world: ApiWorld) -> dict[str, list[str]]:
    """Use each primitive once; return names and ids by the name of the parameter in a path."""
    store = world.store
    succeeded = claimed(world, ORDER)
    store.apply(write(succeeded, "a", "b"))
    for number, value in enumerate("cd", 1):
        store.apply(write(succeeded, value, n=number, stream="short", limits=StreamLimits(records=1)))
    store.apply(finish(succeeded, result=world.sealing.seal(msgspec.json.encode("x" * 100))))
    waiting = claimed(world, ORDER)
    ask(world, waiting, text="Charge it?", evidence={"amount": 7})
    form = msgspec.json.encode({"text": "How much?", "form": _FORM, "detailed": True})
    store.apply(
        OpenWait(waiting.id, waiting.claim, "q2", "ask", "how-much", world.clock.now() + 3_600_000, question=form)
    )
    store.apply(suspend(waiting))
    updated = claimed(world, ORDER)
    store.apply(RequestUpdate(updated.id, UpdateRequest("add", "u1", b"1", "hash")))
    exported = claimed(world, ORDER)
    file = put_file(FileRef, StoreFileChunks(world.sealing), io.BytesIO(b"a,b\n1,2\n"), "report.csv", None)
    store.apply(finish(exported, result=world.sealing.seal(encode(file))))
    runs = [failed(world), succeeded.id, exported.id, waiting.id, updated.id, world.begin(PAY)]
    context = SchedulingContext(store, store.reader, world.sealing)
    act = operation_context(Actor.cli("ann", "box"), world.clock)
    create_schedule(context, "nightly", "pay", {"cron": "0 3 * * *"}, {"amount": 5}, act=act)
    world.open_incident()
    updates = [update for (update,) in store.reader.read_text("select id from run_updates", ())]
    return {
        "run": runs,
        "automation": [definition.name for definition in DEFINITIONS],
        "stream": ["tokens", "short"],
        "file": ["1", "report.csv"],
        "step": ["dump", "q1"],
        "update": updates,
        "schedule": ["nightly", "a-new-one"],
        "incident": ["i_01"],
        "flag": ["new-mailer"],
        "queue": ["default"],
    }
