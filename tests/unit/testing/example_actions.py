"""Actions on a file of lines: good ones, and one for each clause of the contract that it breaks."""

import asyncio
import base64
import contextlib
import os
from pathlib import Path

import mainspring as ms
from mainspring.store import failpoints
from mainspring.testing import action_case

TARGET = "EXAMPLE_TARGET"


def target() -> Path:
    """The file that the actions write to."""
    return Path(os.environ[TARGET])


def append(number: int) -> None:
    """The effect."""
    with target().open("a", encoding="utf-8") as file:
        file.write(f"{number}\n")


def count(number: int) -> int:
    """How often the effect has happened."""
    return target().read_text(encoding="utf-8").split("\n").count(str(number)) if target().exists() else 0


def find(number: int) -> bool | None:
    """Ask the target."""
    return True if count(number) else None


@ms.action(once="checked:{number}", check=find)
def checked(number: int) -> None:
    """Its target can be asked."""
    line = number
    append(line)


@ms.action(once="async:{number}", check=find)
async def checked_async(number: int) -> None:
    """The same, async."""
    line = number
    append(line)


@ms.action(once="unchecked:{number}")
def unchecked(number: int) -> None:
    """Nothing but a person can tell whether it happened."""
    append(number)


@ms.action(wait="1ms")
def append_at(number: int, token: str) -> None:
    """A part of another action."""
    append(number)


@ms.action(wait="1ms")
def note(number: int) -> None:
    """A part without an effect at the target."""


@ms.action(once="parts:{number}", check=find)
def in_parts(number: int) -> None:
    """Its parts are known again."""
    append_at(number, "token")
    note(number)


@ms.action(once="changing parts:{number}")
def in_changing_parts(number: int) -> None:
    """Its part has other arguments each time."""
    append_at(number, os.urandom(4).hex())
    note(number)


@ms.action
def unnamed(number: int) -> None:
    """Each step has an effect of its own."""
    append(number)


@ms.step
def unprotected(number: int) -> None:
    """No ledger: twice is two effects."""
    append(number)


SECRET = "sk_live_of_the_example"


@ms.action(once="leaks:{number}", check=lambda number: SECRET if count(number) else None)
def leaks(number: int) -> str:
    """Its result is its secret."""
    append(number)
    return SECRET


@ms.action(once="wrong check:{number}", check=lambda number: None)
def checks_wrongly(number: int) -> None:
    """Its check never finds the effect."""
    append(number)
    str(number)


def append_with_part(number: int) -> None:
    """What another action performs its effect with: it leaves a file behind if it is killed."""
    part = target().with_suffix(".part")
    part.touch()
    append(number)
    part.unlink()


@ms.action(once="litters inside:{number}", check=find)
def litters_inside(number: int) -> None:
    """Its own line only passes the call on."""
    append_with_part(number)


@ms.action(once="litters:{number}", check=find)
def litters(number: int) -> None:
    """It leaves a file behind if it is killed."""
    part = target().with_suffix(".part")
    part.touch()
    append(number)
    part.unlink()


@ms.action(once="part:{number}", check=find)
def leaves_part(number: int) -> None:
    """It leaves a file behind if it is killed inside of what it calls."""
    append_at_failpoints(number)


def append_at_failpoints(number: int) -> None:
    """The effect, with a failpoint in the middle."""
    part = target().with_suffix(".part")
    part.touch()
    failpoints.hit("example.part")
    append(number)
    failpoints.hit("example.appended")
    part.unlink()


@ms.action(once="prints:{number}", check=find)
def prints(number: int) -> None:
    """Its output is larger than a pipe, and not that of the contract."""
    os.write(1, b"to stdout\n")
    os.write(2, b"to stderr\n" * 10_000)
    append(number)


@ms.action(once="prints its secret:{number}", check=find)
def prints_secret(number: int) -> None:
    """A program that it starts writes the secret to the terminal."""
    append(number)
    os.write(1, f"{SECRET}\n".encode())


async def wait_for_cancel() -> None:
    """Wait until a cancel that was ordered arrives, however busy the machine is; without one, return soon."""
    await asyncio.sleep(60 if action_case._TASKS else 0.01)


@ms.action(once="litters when cancelled:{number}", check=find)
async def litters_when_cancelled(number: int) -> None:
    """It leaves a file behind if it is cancelled, and only then."""
    try:
        await wait_for_cancel()
        append(number)
        await wait_for_cancel()
    except asyncio.CancelledError:
        target().with_suffix(".part").touch()
        raise


@ms.action(once="repeats a permanent error:{number}", check=find)
def repeats_permanent_error(number: int) -> None:
    """It tries again what the target has refused."""
    with contextlib.suppress(ms.Permanent):
        return append(number)
    return append(number)


@ms.action(once="hides an error:{number}", check=find)
def hides_transient_error(number: int) -> None:
    """It returns although the target was away."""
    with contextlib.suppress(ms.NotSent):
        append(number)


@ms.action(once="denies when cancelled:{number}", check=find)
async def denies_when_cancelled(number: int) -> None:
    """If it is cancelled, it says that nothing was sent, although the target has it."""
    try:
        append(number)
        await wait_for_cancel()
    except asyncio.CancelledError:
        raise ms.NotSent("stopped") from None


def find_uncancelled(number: int) -> bool | None:
    """Ask the target; a call that was cancelled has hidden its effect."""
    return None if target().with_suffix(f".{number}").exists() else find(number)


@ms.action(once="hides when cancelled:{number}", check=find_uncancelled)
async def hides_when_cancelled(number: int) -> None:
    """If it is cancelled, its check does not find the effect."""
    try:
        append(number)
        await wait_for_cancel()
    except asyncio.CancelledError:
        target().with_suffix(f".{number}").touch()
        raise


@ms.action(once="prints encoded:{number}", check=find)
def prints_encoded_secret(number: int) -> None:
    """It writes a header of HTTP to the terminal."""
    append(number)
    os.write(1, b"authorization: Basic " + base64.b64encode(f"u:{SECRET}".encode()) + b"\n")
