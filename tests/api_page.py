"""The page docs/reference/api.md, made of the table of routes: `python -m tests.api_page` writes it again."""

from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from mainspring.web.api.problem import CODES
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import ApiRoute
from mainspring.web.api.schema_names import SCHEMA_NAMES
from mainspring.web.api.table import ROUTES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "api.md"
HEAD = """# API

On this page you find every route of the API, the rules that all routes share, and the error codes. To begin, read [use the \
API](../how-to/api.md).

```sh
curl -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:7171/api/v1/runs?state=failed&limit=10'
```

Each project serves its OpenAPI 3.1 document at `/api/v1/openapi.json`. It is made from the same table as this page.

| topic | rule |
|---|---|
| paths | begin with `/api/v1`. A name in a path is one part of it: write a slash in a name as `%2F`. |
| `{run}` | is the id of a run, or `AUTOMATION%2FKEY` for the newest run of a run key: `GET /runs/sync%2Fann`. |
| an automation with the name `health` | is `/automations/%68ealth`, because `/automations/health` lists the health of all \
automations. |
| credentials | `Authorization: Bearer TOKEN` |
| roles | `GET` needs the role `viewer`, `POST` needs `operator`, if the route names no other role. |
| visitors limited to some automations | get 404 for other automations, and for every route with *. |
| request body | JSON in UTF-8. An unknown field is an error. A bold field is required. |
| instants | ISO 8601 with a zone in requests, UTC in responses |
| `reason` | is recorded in the audit log. |
| response | JSON as `--json` prints it. A [sealed](../how-to/encryption.md) value that the web process cannot read is \
`{"sealed": ..., "base64": ...}`. |
| `Idempotency-Key` | At most 200 letters, digits and `_ . : @ -`. A repeated `POST` with it does nothing again and returns \
the first answer. Each visitor has its own keys. |
| `POST` without the header | is a new operation each time. `command` in the answer is the id that counts. |
| lists | are `{"items": [...], "next": ...}`, at most `limit` items (500). `next` is the `cursor` of the next page; null \
means that there is none. |
| filtered lists | A page may have fewer items than `limit`, even if `next` is not null. |
| `ETag` | A request with `If-None-Match` of an unchanged answer gets 304. |
| errors | are `application/problem+json`: `type`, `title`, `status`, `code`, `detail`, and often `hint`, `at` (the place in \
the request) and `retry_after_ms`. |

## Stream of changes

`GET /changes` sends server-sent events `changed` with `{"nouns": [...]}`: read these lists again. The first event has all nouns.

| topic | rule |
|---|---|
| nouns | `runs`, `logs`, `questions`, `incidents`, `automations`, `deliveries`, `bulk`, `queues`, `workers`, `locks`, \
`effects`, `outbox`, `audit-log` |
| no event | for time that passes while something waits |
| limit | At most 256 streams, at most 32 of one visitor. If 256 are open and another visitor \
opens one, Mainspring closes the oldest stream of the visitor that has the most. |
| delay | Each poll, once a second, notifies at most 50 streams, so with many streams an event can take some seconds. |
"""
STATUSES = """
## Status codes and error codes

| status | when |
|---|---|
| 400 | The request has not the required form. |
| 401 | The request has no valid token or session. |
| 403 | The role does not allow the operation. |
| 404 | It does not exist, or this visitor may not see it. |
| 408 | The body did not arrive in time. |
| 409 | The operation does not fit the present state: read it again, then decide. |
| 413 | The body is too large. |
| 415 | The body has another type than JSON. |
| 422 | A value is invalid: an argument, an option, a name. |
| 429, 503 | Too many requests, or the store is unavailable: repeat the request after `Retry-After`, with the same `Idempotency-Key`. |
| 500 | A bug in Mainspring: see its log. |

`code` is that of an [error](errors.md), or one of these:

| code | meaning |
|---|---|
"""
TITLES = {
    "runs": "Runs", "bulk": "Bulk operations", "failed": "Dead letters", "logs": "Logs", "questions": "Questions",
    "automations": "Automations", "schedule": "Schedule", "schedules": "Schedules", "incidents": "Incidents",
    "alerts": "Alerts", "errors": "Errors", "triggers": "Triggers", "deliveries": "Deliveries", "events": "Events",
    "queues": "Queues", "outbox": "Outbox", "workers": "Workers", "locks": "Locks", "flags": "Flags",
    "rollouts": "Rollouts", "effects": "Effects", "secrets": "Secrets", "targets": "Targets",
    "status": "Status",
    "now": "Now", "handover": "Handover",
    "monitors": "Monitors", "audit-log": "Audit log", "search": "Search", "channels": "Channels", "routes": "Routes",
    "settings": "Settings", "people": "People", "sessions": "Sessions", "tokens": "Tokens",
    "restore": "Runs of a restored store",
}  # fmt: skip


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for noun, title in TITLES.items():
        found = [route for route in ROUTES if route.path.split("/")[1] == noun]
        parts.append(f"\n## {title}\n\n| route | what it does | takes | gives |\n|---|---|---|---|\n")
        parts += [_row(route) for route in found]
    parts.append(STATUSES)
    parts += [f'| <a id="{code}"></a>`{code}` | {text} |\n' for code, text in CODES.items()]
    return "".join(parts)


def _row(route: ApiRoute) -> str:
    usual = "viewer" if route.method == "GET" else "operator"
    least = "" if route.role == usual else f" ({route.role})"
    star = " *" if route.whole else ""
    return f"| `{route.method} {route.path}`{star}{least} | {route.line} | {_read_parameters(route)} | {_given(route.response_type)} |\n"


def _read_parameters(route: ApiRoute) -> str:
    kind = route.request_type or route.query
    fields = [] if kind is None else msgspec.structs.fields(kind)
    displayed = [f"**`{field.encode_name}`**" if field.required else f"`{field.encode_name}`" for field in fields]
    return ", ".join(displayed) or "-"


def _given(kind: Any) -> str:
    is_page = get_origin(kind) is Page
    item = get_args(kind)[0] if is_page else kind
    name = SCHEMA_NAMES.get(item, item.__name__)
    return f"a list of `{name}`" if is_page else f"`{name}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
