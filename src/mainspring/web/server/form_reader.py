"""A reader of HTML forms, with limits for size, fields, time and the number read at once.

A browser sends its form in one piece. A slow form is abandoned for a new one, oldest first, so that unfinished forms block no finished one.
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
        """Return the fields of a form, each with the last value; None if it is none, too large, too slow, or was abandoned for another one.

        NUL is no character of a form: no field of a browser can hold it, and not every database accepts it.

        Raises:
            ClientDisconnect: the client has disconnected.
        """
        body = bytearray()
        limit = asyncio.timeout(FORM_WITHIN_S)
        try:
            async with limit:
                self._replace_oldest(limit)
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
        last_values = {name: values[-1] for name, values in fields.items()}
        return None if any("\x00" in text for pair in last_values.items() for text in pair) else last_values

    def _replace_oldest(self, limit: asyncio.Timeout) -> None:
        if len(self._reading) >= self._at_once:
            self._reading.pop(0).reschedule(asyncio.get_running_loop().time())
        self._reading.append(limit)


def anonymous_form_reader() -> FormReader:
    """Return the reader for forms of unknown clients: these are short, and few are unfinished at a time."""
    return FormReader(64 * 1024, 50, 16)


def is_form(request: Request) -> bool:
    """Return whether the body of a request is declared as a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
