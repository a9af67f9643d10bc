"""Operations of people on a flag: create or change it, kill it, delete it."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from mainspring.domain.access.permissions import Role
from mainspring.domain.flags.flag import FlagKind, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_text import to_millionths
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.insight.flags.flag_views import MOST_RUNS
from mainspring.insight.flags.flag_words import FlagFieldChange, list_field_changes
from mainspring.service import flag
from mainspring.store.read.flags import RunOfFlag, count_runs_of_flag, list_runs_of_flag
from mainspring.web.api.bodies import OperationRequest, OperationResponse, Text, Word
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.endpoints.flags.flag_reads import missing_flag_as_not_found
from mainspring.web.api.response_types import Instant
from mainspring.web.api.route import ApiRoute, post_route

_WITHIN_S = 60.0


class SetFlagRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields that change; a flag that does not exist is created. Lists replace those of the flag.

    `percent` = the share of all keys that get the side on. `value` and `otherwise` are the values of the sides on and off; `otherwise`
    null = the default of the code. `when` = attributes that get the side on, with their values. `killed` false ends a kill.
    """

    kind: FlagKind | UnsetType = UNSET
    percent: float | UnsetType = UNSET
    allow: tuple[Word, ...] | UnsetType = UNSET
    deny: tuple[Word, ...] | UnsetType = UNSET
    when: dict[Word, tuple[Word, ...]] | UnsetType = UNSET
    value: Any | UnsetType = UNSET
    otherwise: Any | UnsetType = UNSET
    owner: Word | UnsetType | None = UNSET
    about: Text | UnsetType | None = UNSET
    expires_at: Instant | UnsetType | None = UNSET
    killed: bool | UnsetType = UNSET


class SetFlagResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of the fields. `runs_on` and `runs_off` = unfinished runs that hold these sides, and keep them."""

    command: str
    is_new: bool
    changes: list[FlagFieldChange]
    runs_on: int
    runs_off: int


class KillFlagRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`stop_runs` = a bulk operation cancels or pauses the unfinished runs that hold the side on."""

    stop_runs: Literal["cancel", "pause"] | None = None


class KillFlagResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`runs_on` = unfinished runs that hold the side on, `runs` = the first of them. `bulk` = the operation that stops them."""

    command: str
    runs_on: int
    runs: list[RunOfFlag]
    bulk: str | None = None


class DeleteFlagRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`force` = also while unfinished runs hold answers, which they keep."""

    force: bool = False


def set_flag(call: ApiCall[None, SetFlagRequest]) -> SetFlagResponse:
    """Create a flag, or change the stated fields of one."""
    site, name, act = call.site, call.names["flag"], call.act()
    change = _make_change(call.body)
    changed = flag.change_flag(site.store, site.reader, site.clock, name, change, act=act)
    return SetFlagResponse(
        command=act.command,
        is_new=changed.before is None,
        changes=list_field_changes(changed.before, changed.flag, site.settings.project.timezone),
        runs_on=count_runs_of_flag(site.reader, name, FlagSide.ON),
        runs_off=count_runs_of_flag(site.reader, name, FlagSide.OFF),
    )


def kill_flag(call: ApiCall[None, KillFlagRequest]) -> KillFlagResponse:
    """Give all keys the side off at once, and list the unfinished runs that hold the side on."""
    site, name, act = call.site, call.names["flag"], call.act()
    stop_runs = call.body.stop_runs
    with missing_flag_as_not_found():
        flag.kill_flag(site.store, site.reader, name, act=act.part("kill") if stop_runs else act)
    runs = list_runs_of_flag(site.reader, name, FlagSide.ON, MOST_RUNS)
    number = count_runs_of_flag(site.reader, name, FlagSide.ON)
    bulk = None
    if stop_runs:
        bulk = flag.stop_runs_of_flag(site.store, site.reads, site.reader, name, BulkVerb(stop_runs), act=act).bulk
    return KillFlagResponse(command=act.command, runs_on=number, runs=runs, bulk=bulk)


def delete_flag(call: ApiCall[None, DeleteFlagRequest]) -> OperationResponse:
    """Delete a flag: code gets its own default."""
    site, act = call.site, call.act()
    name, force = call.names["flag"], call.body.force
    with missing_flag_as_not_found():
        flag.delete_flag(site.store, site.reads, site.reader, name, act=act, force=force)
    return OperationResponse(act.command)


def _make_change(body: SetFlagRequest) -> FlagChange:
    """Return the change that a request states. Raises OptionError, ArgumentError."""
    expires_at = body.expires_at
    return FlagChange(
        kind=body.kind,
        on_value=UNSET if body.value is UNSET else _encode(body.value),
        off_value=UNSET if body.otherwise is UNSET else None if body.otherwise is None else _encode(body.otherwise),
        share=UNSET if isinstance(body.percent, UnsetType) else to_millionths(body.percent),
        allow=body.allow,
        deny=body.deny,
        attributes=body.when,
        owner=body.owner,
        about=body.about,
        expires_at=UNSET if isinstance(expires_at, UnsetType) else to_ms(expires_at),
        is_killed=body.killed,
    )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


ROUTES = (
    post_route("flags.set", "/flags/{flag}/set", set_flag, SetFlagRequest, SetFlagResponse, whole=True),
    post_route(
        "flags.kill",
        "/flags/{flag}/kill",
        kill_flag,
        KillFlagRequest,
        KillFlagResponse,
        whole=True,
        within_s=_WITHIN_S,
    ),
    ApiRoute(
        id="flags.delete",
        method="POST",
        path="/flags/{flag}/delete",
        role=Role.ADMIN,
        handler=delete_flag,
        request_type=DeleteFlagRequest,
        response_type=OperationResponse,
        whole=True,
    ),
)
