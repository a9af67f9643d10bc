"""Updates of runs: send one, start a run with one, read one with its reply."""

from typing import Annotated, Any

import msgspec

from mainspring.domain.states import UpdateState
from mainspring.service.runs.run_start import encode_arguments, read_startable_definition
from mainspring.store.read.runs.run_views import update_view
from mainspring.store.views import UpdateView
from mainspring.web.api.bodies import OperationRequest, Text, Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.automations import StartRunRequest, find_automation, read_start_options
from mainspring.web.api.route import get_route, post_route


class UpdateRunRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An update for `@run.on_update(name)`. The same `id` is the same update; left out: that of the operation."""

    name: Word
    value: Any = None
    id: Text | None = None


class StartWithUpdateRequest(StartRunRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run to start, or to find by its key, and an update for it."""

    update: Word
    value: Any = None
    id: Text | None = None


class UpdateRunResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The update and the run that has it; `created` = the update is new, `created_run` = so is the run. Read the update for its reply."""

    command: str
    update: str
    run: str
    created: bool
    created_run: bool = False


class UpdateQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wait` = seconds, 30 at most: answer when the reply is there, else after this time.

    If too many requests wait, the answer comes at once.
    """

    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0


def request_update(call: ApiCall[None, UpdateRunRequest]) -> UpdateRunResponse:
    """Send an update to a workflow, which replies to it. Read the reply with `GET /runs/{run}/updates/{update}?wait=25`."""
    view, body, act = call.run(), call.body, call.act()
    stored = call.engine_for(view).request_update(view.id, body.name, body.value, act=act, request_id=body.id)
    return UpdateRunResponse(command=act.command, update=stored.id, run=stored.run, created=stored.created)


def start_with_update(call: ApiCall[None, StartWithUpdateRequest]) -> UpdateRunResponse:
    """Start a run, or find the one of its key, and send it an update in the same commit. An ended run is an error, and no new start."""
    body, site, act = call.body, call.site, call.act()
    definition = read_startable_definition(find_automation(call))
    data = encode_arguments(definition, body.input, site.sealing.limit)
    stored = site.engine().start_with_update(
        definition, data, body.update, body.value, act=act, options=read_start_options(body), request_id=body.id
    )
    return UpdateRunResponse(
        command=act.command, update=stored.id, run=stored.run, created=stored.created, created_run=stored.created_run
    )


def show_update(call: ApiCall[UpdateQuery, None]) -> UpdateView:
    """Show an update of a run, with its reply. `update` in the path is the field `update` of the response that sent it."""
    return call.site.opening.update(_find_update(call))


def find_open_update(call: ApiCall[UpdateQuery, None]) -> str | None:
    """Return the update whose reply a request waits for; None = it is there, or the request does not wait."""
    if not call.query.wait:
        return None
    update = _find_update(call)
    return update.id if update.state in (UpdateState.RECEIVED, UpdateState.ACCEPTED) else None


def _find_update(call: ApiCall[UpdateQuery, None]) -> UpdateView:
    """Return the update that the path names. Raises NotFoundError: there is none that this visitor may see."""
    call.run()
    update = update_view(call.site.reader, call.names["update"])
    call.run(update.run)
    return update


ROUTES = (
    post_route("updates.request", "/runs/{run}/update", request_update, UpdateRunRequest, UpdateRunResponse),
    post_route(
        "updates.start",
        "/automations/{automation}/update",
        start_with_update,
        StartWithUpdateRequest,
        UpdateRunResponse,
    ),
    get_route(
        "updates.show",
        "/runs/{run}/updates/{update}",
        show_update,
        UpdateView,
        query=UpdateQuery,
        pending=find_open_update,
    ),
)
