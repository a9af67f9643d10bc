"""DBOS's `write_stream` and `read_stream`: a reader follows the records of a run while it writes them.

Try it:

    mainspring run token-stream -m examples/ports/dbos/token_stream.py question=why
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def answer(question: str) -> int:
    """Write the answer word by word. A repeated attempt writes again; readers see which records it replaces."""
    words = f"because of {question}".split()
    for word in words:
        ms.stream("tokens").write(word)
    post(f"answer {question}")
    return len(words)


@ms.workflow(name="token-stream")
async def token_stream(run: ms.Run, question: str) -> int:
    """Answer a question."""
    return await run.step(answer, question)
