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
HEAD = """# The API

All that pages and command line can read and do, for programs. How to begin: [use the API](../how-to/api.md). Each project tells
its own document, OpenAPI 3.1, at `/api/v1/openapi.json`; this page is made of the same table.

Paths begin with `/api/v1`. A name in a path is one part of it: a slash in a name is `%2F`. An automation with the name `health` is
`/automations/%68ealth`, because `/automations/health` lists the health of all automations. A token stands in `Authorization:
Bearer`; what looks needs the role `viewer`, what acts `operator`, or the one that is named. Who sees some automations only does
not find what belongs to others, nor anything below a path with *: that is of no automation.

- **What is sent**: a body is JSON in UTF-8, of one meaning; a field that is not known is an error. Instants are ISO 8601 with a
  zone. `reason` stands in the audit log beside the act.
- **What comes back** is JSON as `--json` prints it: instants as text in UTC, values of runs as they are; what is sealed by a
  codec that the web process does not have is `{"sealed": ..., "base64": ...}`.
- **Acts** take an `Idempotency-Key`, up to 200 letters, digits and `_ . : @ -`: the command id of the act, together
  with who acts: others may use the same key. Sent again with it, an act is answered as the first time and not done again; without,
  it is a new act. The id that counts is `command` in the answer.
- **Lists** are `{"items": [...], "next": ...}`: at most `limit` (500) of them. `next` is the `cursor` of what follows, null =
  that was all. What is filtered may come in smaller parts.
- **What is unchanged** is not sent again: an answer has an `ETag`, and `If-None-Match` with it is answered 304.
- **`GET /changes`** is a stream of server-sent events `changed` with `{"nouns": [...]}`: which of `runs`, `logs`, `questions`,
  `incidents`, `automations`, `deliveries`, `bulk`, `queues`, `workers`, `locks`, `outbox` and `audit-log` to look at again. All of them
  stand in its first event. It says nothing of what merely waits.
  At most 256 streams are open, 32 of one visitor; where all places are taken, who has most gives its oldest to who has fewer.
  Of a crowd fifty are told at a time, each within seconds.
- **What is wrong** is `application/problem+json`: `type`, `title`, `status`, `code`, `detail`, and where they help `hint`, `at`
  (the place inside what was sent) and `retry_after_ms`.
"""
STATUSES = """
## What is wrong

| status | when |
|---|---|
| 400 | the request is not as it must be |
| 401, 403 | nobody is known by what the request carries; the role does not reach so far |
| 404 | it is not there, or not for whoever asks |
| 409 | it does not fit the present state: look at it, then decide again |
| 413, 415, 408 | the body is too large, of another type, or was not there in time |
| 422 | a value cannot be used: an argument, an option, a name |
| 429, 503 | too much, or the store cannot be asked now: the same again after `Retry-After`, under the same `Idempotency-Key` |
| 500 | a fault of ours; it is in the log |

`code` is that of an [error](errors.md), or one of these:

| code | meaning |
|---|---|
"""
TITLES = {
    "runs": "Runs", "bulk": "Bulk acts", "failed": "Dead letters", "logs": "Logs", "questions": "Questions", "automations": "Automations",
    "schedule": "Schedule", "incidents": "Incidents",
    "alerts": "Alerts", "errors": "Errors", "triggers": "Triggers", "deliveries": "Deliveries", "events": "Events",
    "queues": "Queues", "outbox": "Outbox", "workers": "Workers", "locks": "Locks", "status": "Status",
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
