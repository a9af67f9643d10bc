"""Starts runs with options that were said before: `app.options(...).start(...)`."""

from typing import TYPE_CHECKING, Any

from mainspring.app.handle import Handle
from mainspring.domain.call import roundtrip_call
from mainspring.domain.codec import encode
from mainspring.engine.automation import Automation
from mainspring.service import starting

if TYPE_CHECKING:
    from mainspring.app.application import App


class Starter:
    """Starts runs with options that were said before."""

    def __init__(self, app: "App", options: starting.StartOptions) -> None:
        self._app = app
        self._options = options

    async def start(self, automation: Automation | str, *args: Any, **kwargs: Any) -> Handle:
        """Start a run; see `App.start`."""
        app = self._app
        found = app.automation(automation)
        signature = found.signature
        data = (
            encode({})
            if signature is None
            else roundtrip_call(signature, args, kwargs, found.name, limit=app.sealing.limit)[0]
        )
        definition = found.definition
        started = await app.do(
            lambda store, act: starting.start(
                store, app.clock, definition, data, act=act, options=self._options, sealing=app.sealing
            ),
            creates_store=True,
        )
        return Handle(app, started.run, signature, created=started.created)
