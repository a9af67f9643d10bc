"""Remote schedules: those of a project over its API, `client.schedules`: the operations of `app.schedules`, by the rights of the token."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, Unpack

from mainspring.app.remote.remote_handle import encode_value, quote_path_part
from mainspring.app.schedules.schedule_info import ScheduleInfo, ScheduleOptions, read_schedule_info
from mainspring.domain.duration import MILLISECOND, format_duration, parse_duration
from mainspring.domain.values.option_readers import read_tags

_PAGE = 200


class ApiCaller(Protocol):
    """The client, as its schedules use it."""

    async def act(self, path: str, body: Mapping[str, Any], *, command: str | None = None) -> Any:
        """Call an operation."""
        ...

    async def read(self, path: str, **query: Any) -> Any:
        """Read something."""
        ...


class RemoteSchedules:
    """The schedules of a project. Raises as `app.schedules` does, and DeniedError."""

    def __init__(self, client: ApiCaller) -> None:
        self._client = client

    async def create(
        self,
        name: str,
        automation: str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Create a schedule; see `app.schedules.create`."""
        body = {"automation": automation, "reason": reason, **_encode_options(options)}
        if input is not None:
            body["input"] = encode_value(dict(input), "input")
        return await self._act(name, "create", body, command)

    async def change(
        self,
        name: str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        expected: int | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Change the stated options; None clears one. See `app.schedules.change`."""
        body = {"reason": reason, "expected_version": expected, **_encode_options(options)}
        if input is not None:
            body["input"] = encode_value(dict(input), "input")
        return await self._act(name, "change", body, command)

    async def pause(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """Make no slots until it is resumed."""
        return await self._act(name, "pause", {"reason": reason, "expected_version": expected}, command)

    async def resume(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """End a pause."""
        return await self._act(name, "resume", {"reason": reason, "expected_version": expected}, command)

    async def delete(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> None:
        """Delete a schedule."""
        body = {"reason": reason, "expected_version": expected}
        await self._client.act(f"schedules/{quote_path_part(name)}/delete", body, command=command)

    async def get(self, name: str) -> ScheduleInfo:
        """Return a schedule, in code or not. Raises NotFoundError."""
        detail = await self._client.read(f"schedules/{quote_path_part(name)}")
        return read_schedule_info(detail["line"])

    async def list(self, automation: str | None = None) -> list[ScheduleInfo]:
        """Return the schedules that have not ended, in code or not, of all automations or of one, by name."""
        query = {"limit": _PAGE} | ({} if automation is None else {"automation": automation})
        page = await self._client.read("schedules", **query)
        lines = page["items"]
        while page["next"] is not None:
            page = await self._client.read("schedules", **query, cursor=page["next"])
            lines += page["items"]
        return [read_schedule_info(line) for line in lines]

    async def _act(self, name: str, verb: str, body: Mapping[str, Any], command: str | None) -> ScheduleInfo:
        await self._client.act(f"schedules/{quote_path_part(name)}/{verb}", body, command=command)
        return await self.get(name)


def _encode_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stated options as the API reads them. Raises OptionError."""
    encoded: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, datetime):
            encoded[name] = value.isoformat()
        elif isinstance(value, int | float | timedelta):
            span = value if isinstance(value, timedelta) else parse_duration(value)
            encoded[name] = format_duration(span - span % MILLISECOND)
        else:
            encoded[name] = read_tags(value) if name == "tags" and value is not None else value
    return encoded
