"""Workflows that put one secret word into every value that a run can have."""

import asyncio
from typing import Any

import mainspring as ms
from mainspring.engine.definitions.registry import Registry

SECRET = "swordfish7391"


def in_child(word: str) -> str:
    """Run in a process of its own: a checkpoint, then a result."""
    ms.checkpoint({"at": word})
    return word + " from the child"


def doubled(word: str) -> str:
    """Run as a run of its own."""
    return word + word


def fail_with(word: str) -> None:
    """Fail with the word wherever a failure can have one."""
    try:
        raise ValueError(f"cause: {word}")
    except ValueError as error:
        raise ms.Permanent(f"message: {word}", hint=f"hint: {word}", data={"data": word}) from error


def sealed_work(command: list[str], *, drifted: bool = False) -> tuple[Registry, dict[str, Any]]:
    """Return the automations; `drifted` = the code as it is later. `command` is a script that prints the word and fails."""
    registry = Registry()
    with registry:

        @ms.step(retry=ms.Retry(attempts=2, initial="10ms"))
        async def flaky(word: str) -> str:
            await ms.checkpoint([word])
            if ms.attempt() == 1:
                raise ms.Transient(f"try again: {word}")
            return str(ms.last_checkpoint()[0])

        def take_back(word: str, result: str | None) -> str:
            return f"took back {word} {result}"

        @ms.workflow
        async def inner(run: ms.Run, word: str, *, good: bool) -> str:
            if not good:
                await run.step(fail_with, word)
            return f"inner {word}"

        @ms.workflow(title="all of {word}")
        async def everything(run: ms.Run, word: str) -> dict[str, Any]:
            run.tag(customer=word)
            run.publish_state({"state": word})
            found: dict[str, Any] = {"flaky": await run.step(flaky, word)}
            found["child"] = await run.options(isolate="process").step(in_child, word)
            found["map"] = await run.map(doubled, [f"{word}{n}" for n in range(3)])
            found["spread"] = await run.map(doubled, [word], spread=True)
            found["inner"] = await run.child(inner, word, good=True)
            found["entered"] = await run.step(entered, word)
            try:
                await run.child(inner, word, good=False)
            except ms.StepFailed as error:
                found["failed"] = str(error.failure.message)
            found["event"] = (await run.event("paid", where={"who": word})).how
            await asyncio.sleep(0.01)
            found["kept"] = (await run.event("kept", where={"deep.who": word})).deep["who"]
            found["signal"] = await run.receive("note")
            found["answer"] = await run.ask(f"Do {word}?", choices=[word, "no"], evidence={"because": word})
            return found

        @ms.step(delivery="transactional")
        def entered(tx: ms.Tx, word: str) -> str:
            return f"entered {word}"

        @ms.workflow
        async def failing(run: ms.Run, word: str) -> None:
            await run.step(fail_with, word)

        @ms.workflow
        async def undoing(run: ms.Run, word: str) -> None:
            await run.options(undo=take_back).step(flaky, word)
            await run.receive("go")
            await run.rollback(f"because of {word}")

        @ms.workflow
        async def doubtful(run: ms.Run, word: str) -> str:
            return await run.options(delivery="at_most_once").step(lose, word)

        async def lose(word: str) -> str:
            raise RuntimeError(f"nobody knows: {word}")

        @ms.workflow
        async def drifting(run: ms.Run, word: str) -> str:
            first = await run.step(doubled, f"now {word}" if drifted else f"then {word}")
            await run.receive("go")
            return first

        @ms.workflow
        async def again(run: ms.Run, word: str, left: int = 1) -> str:
            if left:
                run.restart(word, left - 1)
            return word

        ms.script("printer", command, retry=1)
    return registry, {
        definition.name: definition for definition in (everything, failing, undoing, doubtful, drifting, again)
    } | {"printer": registry.get("printer")}
