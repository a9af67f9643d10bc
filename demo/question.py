"""The question to a person: answered at the prompt of this terminal, on the dashboard or from another terminal."""

import asyncio
import sys

import mainspring as ms
from demo.intake import COUNT, LEAVE_OUT

_CHOICES = {"": LEAVE_OUT, "1": LEAVE_OUT, LEAVE_OUT: LEAVE_OUT, "2": COUNT, COUNT: COUNT}


async def ask_person(app: ms.App, handle: ms.Handle[str], text: str, *, terminal: bool, within: str, link: str) -> None:
    """Print the question; in a terminal read an answer until the run continues by itself."""
    print(f"\nThe run asks a person: {text}")
    if not terminal:
        print(f"There is no terminal, so after {within} the run uses the default answer: {LEAVE_OUT}.\n", flush=True)
        return
    print(f"  [1] {LEAVE_OUT} (default)   [2] {COUNT}")
    print(f"Or on the dashboard, under Waiting: {link}")
    print(f"Or in another terminal: mainspring --store {app.place} runs answer {handle.id} {COUNT}")
    print(f"Your choice, within {within}: ", end="", flush=True)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def take_line() -> None:
        choice = _CHOICES.get(sys.stdin.readline().strip())
        if choice is None:
            print(f"Type 1 for {LEAVE_OUT} or 2 for {COUNT}: ", end="", flush=True)
        elif not answer.done():
            answer.set_result(choice)

    loop.add_reader(sys.stdin, take_line)
    try:
        while not answer.done():
            if not await is_open(app, handle):
                print("\nThe question was answered elsewhere, or its time is over.\n")
                return
            await asyncio.wait([answer], timeout=0.3)
    finally:
        loop.remove_reader(sys.stdin)
    choice = answer.result()
    try:
        await app.answer(handle.id, choice)
        print(f"Answered: {choice}\n")
    except ms.MainspringError as error:
        print(f"Too late: {error.message}\n")


async def is_open(app: ms.App, handle: ms.Handle[str]) -> bool:
    """Return whether the run still waits for its answer."""
    view = await handle.view()
    return view.state == "waiting"
