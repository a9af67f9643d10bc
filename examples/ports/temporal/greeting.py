"""Temporal's first sample, "hello activity": a workflow calls one activity. Here the activity is a step, a plain function.

Try it:

    mainspring run greeting -m examples/ports/temporal/greeting.py name=Ana
"""

import mainspring as ms


def compose_greeting(word: str, name: str) -> str:
    """Return a greeting. In a unit test, call it as it is."""
    return f"{word}, {name}!"


@ms.workflow(deadline="1m", key="greeting:{name}")
async def greeting(run: ms.Run, name: str) -> str:
    """Greet a person. The run key is Temporal's workflow id."""
    return await run.options(retry=3).step(compose_greeting, "Hello", name)
