"""Prefect's "pause for input": a flow stops for a typed form of a person, then resumes. Its process may end in between.

Try it:

    mainspring run pause-for-input -m examples/ports/prefect/pause_for_input.py
    mainspring runs signal @last form '{"name": "Ana", "cents": 900}'
"""

from dataclasses import dataclass
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@dataclass
class Form:
    """The input that the run waits for. Mainspring checks it before the signal is accepted."""

    name: str
    cents: int


def book(form: Form) -> None:
    """Use the input."""
    post(f"book {form.cents} for {form.name}")


@ms.workflow(name="pause-for-input")
async def pause_for_input(run: ms.Run, within: str = "1h") -> str:
    """`run.receive` with a type replaces pause_flow_run(wait_for_input=Form). For a choice of words use `run.ask`."""
    run.publish_state("waiting for the form")
    form = await run.receive("form", Form, within=within)
    await run.step(book, form)
    return f"booked for {form.name}"
