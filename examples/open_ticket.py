"""A ticket in the system of another company, opened once for each alert, although its API has no idempotency keys.

    mainspring run open-ticket -m examples/open_ticket.py api=https://tickets.example.com/api alert=disk-7

Teaches: an effect of unknown outcome that is looked up at the target before it is repeated; addresses that are not public must be allowed.
"""

import os

import mainspring as ms
from mainspring.actions import http

ALLOW = [host for host in os.environ.get("TICKET_HOSTS", "").split(",") if host]


def find_ticket(api: str, alert: str) -> http.HttpReply | None:
    """Return the ticket of the alert, None if there is none."""
    reply = http.get(f"{api}/tickets/{alert}", expect=(200, 404), allow=ALLOW)
    return reply if reply.status == 200 else None


def open_ticket(api: str, alert: str) -> str:
    """Open the ticket; return its number."""
    reply = http.post(
        f"{api}/tickets",
        json={"alert": alert},
        once=f"ticket:{alert}",
        check=lambda: find_ticket(api, alert),
        allow=ALLOW,
    )
    return str(reply.json()["number"])


@ms.workflow(name="open-ticket", owner="you")
async def handle_alert(run: ms.Run, api: str, alert: str) -> str:
    """Open the ticket of an alert, once."""
    return await run.step(open_ticket, api, alert)
