"""Prefect's background tasks: a web service accepts a request with `task.delay`, and a worker does the task.

Try it:

    mainspring up -m examples/ports/prefect/background_tasks.py
    uvicorn examples.ports.prefect.background_tasks:site        (in a second terminal)
    mainspring run confirm-address -m examples/ports/prefect/background_tasks.py address=ana@example.com
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def send_mail(address: str) -> str:
    """Send the mail with the link."""
    post(f"confirm {address}")
    return f"link for {address}"


@ms.task(name="confirm-address", key="{address}")
def confirm_address(address: str) -> str:
    """The task. Its key makes a request that is sent twice count once."""
    return send_mail(address)


async def sign_up(request: Request) -> JSONResponse:
    """`task.delay`: the answer leaves when the start is committed."""
    address = (await request.json())["address"]
    handle = await request.app.state.mainspring.start(confirm_address, address)
    return JSONResponse({"run": handle.id, "created": handle.created}, status_code=202)


async def show(request: Request) -> JSONResponse:
    """State and result of a task."""
    handle = request.app.state.mainspring.handle(request.path_params["run"])
    state = await handle.status()
    return JSONResponse({"state": state, "result": await handle.result() if state == "succeeded" else None})


@asynccontextmanager
async def use_store(site: Starlette) -> AsyncIterator[None]:
    """Open the store of the project for the life of the service."""
    site.state.mainspring = ms.App.from_config()
    yield
    site.state.mainspring.close()


routes = [Route("/users", sign_up, methods=["POST"]), Route("/tasks/{run}", show)]
site = Starlette(routes=routes, lifespan=use_store)
