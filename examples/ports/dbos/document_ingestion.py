"""DBOS's "document ingestion": a queue works on many documents at once, each one a durable step, and the workflow adds up the results.

Try it:

    mainspring run document-ingestion -m examples/ports/dbos/document_ingestion.py documents=@documents.json
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def index_document(url: str) -> int:
    """Index one document; return its number of pages."""
    if url.endswith("broken.pdf"):
        raise ms.Permanent("the document cannot be read")
    post(f"index {url}")
    return len(url)


@ms.workflow(name="document-ingestion")
async def document_ingestion(run: ms.Run, documents: list[str]) -> dict[str, int]:
    """Index all documents, 4 at a time. `run.map` replaces the queue, its handles, and the loop that awaits them."""
    results = await run.map(index_document, documents, concurrency=4, on_error="collect")
    pages = [row for row in results if not isinstance(row, ms.ItemFailed)]
    return {"pages": sum(pages), "failed": len(results) - len(pages)}
