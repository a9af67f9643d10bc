"""A bot that tells a channel how a build went: once, however often the build system says so.

    export MAINSPRING_SECRET_GITHUB_HOOK=...         # what you wrote into "Secret" when you made the webhook
    mainspring triggers test build-bot @tests/data/hooks/github-workflow-run.json -m examples/build_bot.py
    mainspring up -m examples/build_bot.py           # `mainspring triggers list` shows its address and a curl line

Teaches: a webhook that only its sender can use; a delivery that comes again starts nothing; a build that several hooks tell of counts once;
a filter that runs after the delivery is safe; a message that is not sent twice after a crash.
"""

import os
from pathlib import Path

import mainspring as ms

CHANNEL = Path(os.environ.get("CHANNEL", "channel.txt"))


def is_over(event: ms.Event) -> bool:
    """Tell whether a build came to its end; GitHub also tells when one is asked for and when it begins."""
    return event.name == "workflow_run" and event.data["action"] == "completed"


def post(text: str) -> bool:
    """Write a message under this step's key, which stays the same when it is tried again; False = it is there already.

    A file stands for the channel. One that takes a key of its own (most do) is given this key, and makes the same promise.
    """
    key = ms.idempotency_key()
    if CHANNEL.exists() and any(line.startswith(key) for line in CHANNEL.read_text().splitlines()):
        return False
    with CHANNEL.open("a") as channel:
        channel.write(f"{key} {text}\n")
    return True


@ms.on.webhook(
    "/github",
    verify=ms.verify.github("GITHUB_HOOK"),
    filter=is_over,
    by="{data.workflow_run.id} attempt {data.workflow_run.run_attempt}",
    dedup="1d",
)
@ms.workflow(name="build-bot", deadline="1h", owner="you")
async def build_bot(run: ms.Run, event: ms.Event) -> str:
    """Tell of one build."""
    build = event.data["workflow_run"]
    text = f"{event.data['repository']['full_name']}: {build['name']} #{build['run_number']} {build['conclusion']}"
    await run.step(post, text)
    return text
