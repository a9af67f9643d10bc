"""Versions of changes of one loaded run: those that it keeps after a loss, and the answers to `run.version`."""

from typing import TYPE_CHECKING

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.change_versions import read_change_versions
from mainspring.domain.runs.journal import History
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.request import Request, VersionCall
from mainspring.engine.body.versions import ANSWERED_AT_ONCE
from mainspring.engine.definitions.reachable_names import find_versions
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.commands.runs import SaveChangeVersions

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class RunVersions:
    """The versions of one run, and its open questions."""

    def __init__(self, loaded: "LoadedRun", history: History | None) -> None:
        self._loaded = loaded
        self._known = read_change_versions(loaded.run.versions)
        self._is_returned = loaded.run.is_returned
        self._last_rank = history.outcomes[-1].rank if history is not None and history.outcomes else 0
        self._saving: set[str] = set()

    @property
    def are_saving(self) -> bool:
        """Whether an answer is being written to the journal: nothing that was requested later starts before it."""
        return bool(self._saving)

    def begin(self) -> None:
        """Save which versions the run keeps after a loss or a failure."""
        loaded = self._loaded
        if self._is_returned:
            return
        automation = loaded.program.automation
        if automation is None or automation.fn is None or automation.definition.kind is not DefinitionKind.WORKFLOW:
            return
        known = self._known.retain(find_versions(automation.fn))
        if known != self._known:
            self._known = known
            loaded.host.store.submit(
                SaveChangeVersions(loaded.run.id, loaded.claim, msgspec.json.encode(known)), self._saved
            )

    def _saved(self, result: CommandDone | Refused | BaseException) -> None:
        self._loaded.accepts(result)

    def save_given(self) -> None:
        """Write the answers that the body has to the journal."""
        body = self._loaded.body
        given, body.versions.unsaved = body.versions.unsaved, []
        for request in given:
            if isinstance(request.call, VersionCall) and request.call.answer is not None:
                self._save(request, request.call.answer, input=ANSWERED_AT_ONCE)

    def answer(self, request: Request, call: VersionCall) -> None:
        """Choose the version, and write it to the journal."""
        body = self._loaded.body
        is_nothing_left = (
            self._is_returned and request.requested_after >= self._last_rank and not body.names.has_unrequested(body)
        )
        self._save(request, self._known.choose(request.name, call.newest, is_nothing_left=is_nothing_left))

    def _save(self, request: Request, version: int, input: bytes | None = None) -> None:
        self._saving.add(request.ident)
        output = encode(version, value_name=f"version {request.name!r}")
        self._loaded.journal.save(
            request, OutcomeState.SUCCEEDED, value=version, has_value=True, output=output, input=input
        )

    def committed(self, ident: str) -> None:
        """Note that the answer of a question is in the journal."""
        self._saving.discard(ident)
