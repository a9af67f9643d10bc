"""The automations of the engine suite."""

import asyncio
from dataclasses import dataclass

import mainspring as ms
from mainspring.engine.definitions.registry import Registry

CALLS: list[str] = []


@dataclass
class Refund:
    """How the customer gets the money back."""

    amount: int
    method: str = "card"


def note(text: str) -> str:
    CALLS.append(text)
    return text


def unnote(text: str, result: str) -> None:
    CALLS.append(f"undo {result}")


def refuse(text: str) -> str:
    raise ms.Permanent(text)


def make_registry() -> Registry:
    with Registry() as registry:

        @ms.task
        def double(n: int) -> int:
            return 2 * n

        @ms.task
        def fail(text: str) -> str:
            return refuse(text)

        @ms.task
        def read_headers() -> dict[str, str]:
            return dict(ms.headers())

        @ms.on.event("order.placed")
        @ms.task
        def receive_headers(event: ms.Event) -> dict[str, str]:
            CALLS.append(f"{event.data} {dict(ms.headers())}")
            return dict(ms.headers())

        @ms.workflow
        async def pass_headers_on(run: ms.Run) -> list[dict[str, str]]:
            return [dict(run.headers), await run.child("read_headers")]

        @ms.workflow
        async def receive_two(run: ms.Run) -> list[int]:
            return [await run.receive("number", int), await run.receive("number", int)]

        @ms.workflow
        async def await_event(run: ms.Run) -> str:
            return (await run.event("paid", where={"order": 7})).by

        @ms.workflow
        async def receive_any_two(run: ms.Run) -> list[list[object]]:
            return [list(await run.receive_any({"word": str, "number": int})) for _ in range(2)]

        @ms.workflow
        async def send_number(run: ms.Run, receiver: str, number: int) -> None:
            await run.signal(receiver, "number", number)

        @ms.workflow
        async def start_double(run: ms.Run) -> str:
            return (await run.start("double", 4)).id

        @ms.workflow
        async def speak(run: ms.Run, words: list[str]) -> None:
            for word in words:
                run.stream("words").write(word)
            await run.receive("stop")

        @ms.workflow
        async def undo_note(run: ms.Run) -> None:
            await run.options(undo=unnote).step(note, "done")
            await run.receive("never")

        @ms.workflow
        async def ask(run: ms.Run) -> str:
            return await run.ask("Go?", choices=["go", "stop"])

        @ms.workflow
        async def fill_in(run: ms.Run) -> list[str | None]:
            form = run.ask("Refund?", form=Refund, name="refund", assignee="finance")
            refund, go = await asyncio.gather(form, run.ask("Go?", choices=["go", "stop"], name="go"))
            return [str(refund.amount), refund.method, go, run.answers["refund"].note]

        @ms.workflow
        async def sleep_long(run: ms.Run) -> str:
            await run.step(note, "before")
            try:
                await asyncio.sleep(3_600)
            finally:
                async with run.shield():
                    await run.step(note, "cleaned")
            return "slept"

        @ms.workflow
        async def two_steps(run: ms.Run, word: str = "a") -> list[str]:
            return [await run.step(note, f"{word}1"), await run.options(name="second").step(note, f"{word}2")]

        @ms.workflow
        async def count_down(run: ms.Run, n: int) -> str:
            await run.receive("tick")
            if n:
                run.restart(n - 1)
            return "zero"

        @ms.workflow
        async def collect(run: ms.Run, total: int = 0) -> int:
            state = ""
            changed = asyncio.Event()

            def is_positive(number: int) -> None:
                if number <= 0:
                    raise ms.Permanent("a number is greater than 0")

            @run.on_update("add", validate=is_positive)
            async def add(number: int) -> int:
                nonlocal total
                total += number
                await run.step(note, f"add {number}")
                return total

            @run.on_query("total")
            def read_total(factor: int = 1) -> int:
                return total * factor

            @run.on_update("fail")
            def fail_here() -> None:
                refuse("as requested")

            for name in ("renew", "close"):

                @run.on_update(name)
                def end(name: str = name) -> None:
                    nonlocal state
                    state = name
                    changed.set()

            await changed.wait()
            await run.updates_done()
            if state == "renew":
                run.restart(total)
            return total

    return registry
