"""Prefect's "retries and mapping" sample: a flow maps a task over repositories, and flaky requests are retried.

Try it:

    mainspring run repo-stars -m examples/ports/prefect/repo_stars.py repos='["core", "docs"]'
"""

import mainspring as ms


@ms.step(retry=ms.Retry(attempts=4, initial="1ms"))
def fetch_stars(repo: str) -> int:
    """Represents a request that fails once."""
    if ms.attempt() == 1:
        raise ms.Transient("the service is busy", retry_after="1ms")
    return 10 * len(repo)


@ms.workflow(name="repo-stars")
async def repo_stars(run: ms.Run, repos: list[str]) -> dict[str, int]:
    """Fetch all, 10 at a time. The results come in the order of the items, as with `wait` on futures."""
    stars = await run.map(fetch_stars, repos, concurrency=10)
    run.log.info("fetched", repos=len(repos), stars=sum(stars))
    return dict(zip(repos, stars, strict=True))
