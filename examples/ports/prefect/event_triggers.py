"""Prefect's automations on events: react to an event, to several of them, and to one that does not come.

Try it:

    mainspring run load-dataset -m examples/ports/prefect/event_triggers.py dataset=orders
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def load(dataset: str) -> None:
    """Prefect's `emit_event`: the event is in the commit of the step, so there is neither an event too many nor one too few."""
    post(f"load {dataset}")
    ms.publish("dataset.loaded", {"dataset": dataset})


@ms.workflow(name="load-dataset")
async def load_dataset(run: ms.Run, dataset: str) -> None:
    """Load one dataset."""
    await run.step(load, dataset)


@ms.on.event("dataset.loaded", where={"dataset": "orders"})
@ms.task(name="build-mart")
def build_mart(dataset: str) -> None:
    """A reactive trigger: `where=` is its `match`, and the parameters are filled from the event."""
    post(f"build the mart of {dataset}")


@ms.on.event("dataset.loaded", batch=3, within="1h")
@ms.task(name="check-quality")
def check_quality(events: list[ms.Event]) -> None:
    """A trigger with a threshold: after three events, or after an hour with fewer."""
    post(f"check {', '.join(sorted(event.data['dataset'] for event in events))}")


def alert(export: str) -> None:
    """Notify people."""
    post(f"alert: {export} is not finished")


@ms.on.event("export.started")
@ms.workflow(name="watch-export")
async def watch_export(run: ms.Run, started: ms.Event) -> str:
    """A proactive trigger: `after` export.started, `expect` export.finished `within` the time. The wait survives restarts."""
    export, within = started.data["export"], started.data["within"]
    try:
        await run.event("export.finished", where={"export": export}, within=within, since=started.at)
    except TimeoutError:
        await run.step(alert, export)
        return "late"
    return "in time"
