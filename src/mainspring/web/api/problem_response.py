"""A problem as a response with its headers."""

from typing import Final

import msgspec
from starlette.responses import Response

from mainspring.web.api.problem import CONTENT_TYPE, Problem

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex"}
"""Of every response of the API."""


def problem_response(problem: Problem) -> Response:
    """Return a problem as a response."""
    headers = dict(HEADERS)
    if problem.retry_after_ms is not None:
        headers["Retry-After"] = str(max(1, -(-problem.retry_after_ms // 1_000)))
    data = {name: value for name, value in msgspec.structs.asdict(problem).items() if value is not None}
    return Response(msgspec.json.encode(data), problem.status, headers, CONTENT_TYPE)
