"""Actions that the code of an automation names."""

import mainspring as ms
from mainspring.actions import http
from mainspring.actions.files import write as write_file
from mainspring.engine.definitions.references import find_actions
from mainspring.engine.definitions.registry import Registry


@ms.action(once="page:{number}")
def page_someone(number: int) -> None:
    fetch(number)


def fetch(number: int) -> object:
    return http.request("GET", f"https://example.com/{number}")


@ms.step(retry=3)
def save(number: int) -> None:
    write_file(str(number), "x")


async def body(run: ms.Run) -> None:
    async def inner() -> None:
        await run.step(save, 7)

    await inner()
    await run.step(page_someone, 7)


async def body_without(run: ms.Run) -> None:
    await run.step(len, [7])


def test_actions_are_those_of_the_code_its_functions_and_its_steps() -> None:
    """Through a nested function, a step, an action and a plain function; by module and by name."""
    with Registry():
        assert find_actions(ms.workflow(name="a")(body)) == ("files.write", "http.request", "page_someone")
        assert find_actions(ms.workflow(name="b")(body_without)) == ()
