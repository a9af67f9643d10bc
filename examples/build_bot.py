"""A bot that posts the result of a build to a channel, once for each build, although GitHub sends several webhooks.

    export MAINSPRING_SECRET_GITHUB_HOOK=...         # the "Secret" of the webhook in GitHub
    mainspring triggers test build-bot @tests/data/hooks/github-workflow-run.json -m examples/build_bot.py
    mainspring up -m examples/build_bot.py           # `mainspring triggers list` prints its address and a curl line

Teaches: a webhook that only its sender can use; a repeated delivery starts nothing; several webhooks of one build start one run; a filter
that runs after the delivery is stored; a message that is not sent twice after a crash.
"""

import os
from pathlib import Path

import mainspring as ms

CHANNEL = Path(os.environ.get("CHANNEL", "channel.txt"))


def is_over(event: ms.Event) -> bool:
    """Return whether the webhook reports the end of a build. GitHub also reports its request and its start."""
    return event.name == "workflow_run" and event.data["action"] == "completed"


def post(text: str) -> bool:
    """Write a message with the key of this step, which is the same in each attempt. Return False if the message exists already.

    A file represents the channel. If your channel accepts an idempotency key, as most do, pass this key to it.
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
    """Post the result of one build."""
    build = event.data["workflow_run"]
    text = f"{event.data['repository']['full_name']}: {build['name']} #{build['run_number']} {build['conclusion']}"
    await run.step(post, text)
    return text
