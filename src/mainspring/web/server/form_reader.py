"""Forms of pages as they come in: their limits of size, fields, time, and of how many are read at once.

A form that a browser sends comes whole. A client that sends its form slowly gives way to the next one: the oldest unfinished form is given
up for a new one, so that unfinished forms keep no finished one out.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

FORM_WITHIN_S: Final = 10.0
_FORM = "application/x-www-form-urlencoded"


class FormReader:
    """Reads forms of up to `largest` bytes and `fields` fields; at most `at_once` of them are unfinished at a time."""

    def __init__(self, largest: int, fields: int, at_once: int) -> None:
        self._largest = largest
        self._fields = fields
        self._at_once = at_once
        self._reading: list[asyncio.Timeout] = []

    async def read(self, request: Request) -> dict[str, str] | None:
        """Return the fields of a form, each the last one given; None if it is none, too large, too slow, or gave way to another one.

        NUL is no character of a form: no field of a browser can hold it, and not every database takes it.

        Raises:
            ClientDisconnect: the client has gone.
        """
        body = bytearray()
        limit = asyncio.timeout(FORM_WITHIN_S)
        try:
            async with limit:
                self._make_room(limit)
                async for part in request.stream():
                    body += part
                    if len(body) > self._largest:
                        return None
        except TimeoutError:
            return None
        finally:
            if limit in self._reading:
                self._reading.remove(limit)
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=self._fields)
        except ValueError:
            return None
        found = {name: values[-1] for name, values in fields.items()}
        return None if any("\x00" in text for pair in found.items() for text in pair) else found

    def _make_room(self, limit: asyncio.Timeout) -> None:
        if len(self._reading) >= self._at_once:
            self._reading.pop(0).reschedule(asyncio.get_running_loop().time())
        self._reading.append(limit)


def anonymous_form_reader() -> FormReader:
    """Return the reader of forms of clients that no one knows: theirs are short, and few are unfinished at a time."""
    return FormReader(64 * 1024, 50, 16)


def is_form(request: Request) -> bool:
    """Tell whether a request says that its body is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
