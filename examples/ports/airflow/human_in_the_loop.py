"""Airflow's human in the loop: a form (HITLEntryOperator), an approval with a default, and a branch that a person chooses.

Try it:

    mainspring run human-in-the-loop -m examples/ports/airflow/human_in_the_loop.py article="Release 3"
    mainspring runs answer @last --question summary --form text="Faster starts" --form tags='["news"]'
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import mainspring as ms


class Channel(StrEnum):
    """The branches."""

    BLOG = "blog"
    NEWSLETTER = "newsletter"


@dataclass
class Teaser:
    """What the article is about."""

    text: str
    tags: list[str] = field(default_factory=list)


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def write_post(article: str, text: str) -> None:
    """The branch of the blog."""
    post(f"blog {article}: {text}")


def send_newsletter(article: str, text: str) -> None:
    """The branch of the newsletter."""
    post(f"newsletter {article}: {text}")


@ms.workflow(name="human-in-the-loop", title="publish {article}")
async def human_in_the_loop(run: ms.Run, article: str, within: str = "1d") -> str:
    """`otherwise=` is Airflow's `defaults`, `within=` its `execution_timeout`, `assignee=` its `assigned_users`."""
    summary = await run.ask(form=Teaser, name="summary", assignee="editors")
    approval = await run.ask(
        f"Publish {article!r}?",
        name="approval",
        choices=["approve", "reject"],
        otherwise="reject",
        within=within,
        evidence={"text": summary.text, "tags": summary.tags},
        assignee="chief",
        remind="4h",
    )
    if approval == "reject":
        return "rejected"
    channel = await run.ask("Where?", name="channel", choices=Channel)
    await run.step(write_post if channel is Channel.BLOG else send_newsletter, article, summary.text)
    return f"{channel}, approved by {run.answers['approval'].by}"
