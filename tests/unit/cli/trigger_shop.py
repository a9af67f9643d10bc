"""What the tests of triggers look at: automations that listen, and how deliveries, runs and gatherings come about."""

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.ids import make_id
from mainspring.domain.states import FailureReason, RunState
from mainspring.domain.triggers.event_sources import EventSource, JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.store.commands.runs import FinishRun, SlotLink, StartRun
from mainspring.store.commands.triggers import AcceptDelivery, JoinRun

DAY = 86_400_000
MINUTE = 60_000
SLOT = 1_767_578_400_000
BOT = Definition(
    kind=DefinitionKind.WORKFLOW,
    name="bot",
    triggers={
        "event": Trigger(
            source=EventSource(name="built", where={"branch": "main"}),
            pace=FlowControl(debounce=60_000, by="{data.id}"),
            reading=EventBinding(how="data", parameter="build"),
        )
    },
)
LOAD = Definition(
    kind=DefinitionKind.TASK, name="load", triggers={"run": Trigger(source=RunEndSource(automation="extract"))}
)
REPORT = Definition(
    kind=DefinitionKind.TASK,
    name="report",
    triggers={"runs": Trigger(source=JoinedRunsSource(automations=("extract", "load"), within=7_200_000))},
)
EXTRACT = Definition(kind=DefinitionKind.TASK, name="extract")


def start(stage, automation: str, run: str) -> StartRun:
    return StartRun(
        id=run, automation=automation, kind="task", version=1, input=b"{}", codec="json", trigger="trigger x"
    )


def take_in(stage, trigger: str = "bot/event", key: str = "k", **options):
    """Accept a delivery and return the answer."""
    values = {"body_hash": "h", "body": b'{"id":7}', "headers": b'{"x-sign-signature":"s3cret","x-id":"7"}'}
    return stage.do(
        AcceptDelivery(id=make_id("d", stage.now, hash(key)), trigger=trigger, key=key, **(values | options))
    )


def end_of_extract(shop, state: RunState, slot_at: int | None = SLOT) -> str:
    """Let a run of extract begin and end; return its id."""
    run = shop.begin(EXTRACT, slot=SlotLink("extract", slot_at)) if slot_at else shop.begin(EXTRACT)
    failure = None if state is RunState.SUCCEEDED else Failure("ValueError", "boom", "it broke")
    reason = None if failure is None else FailureReason.PERMANENT_ERROR
    shop.do(FinishRun(run.id, run.claim, state, 0, failure=failure, reason=reason))
    return run.id


def gather(shop, run: str, *, counts: bool, deadline_at: int, per: int = SLOT) -> None:
    """Let the end of a run be gathered for a slot."""
    (row,) = [
        row for row in shop.store.reader.read("list_received_deliveries", (0, "report/runs", 0, 99)) if row[8] == run
    ]
    state = "succeeded" if counts else "failed"
    shop.do(
        JoinRun(
            trigger="report/runs",
            per=str(per),
            expected=2,
            deadline_at=deadline_at,
            delivery=row[1],
            automation="extract",
            run=run,
            state=state,
            counts=counts,
        )
    )
