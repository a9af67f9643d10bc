"""`python -m mainspring.app.replay.replay_process`: the process that loads the new code and replays runs against it, offline.

It gets journals on its standard input and has no store. It ends with its parent.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mainspring.app.project import Project
from mainspring.app.replay.block_watch import BlockWatch
from mainspring.app.replay.offline import OfflineMode
from mainspring.app.replay.replay_protocol import (
    CodeChange,
    LoadedCode,
    MessageChannel,
    ReplayReport,
    ReplaySpec,
    TracedReplay,
)
from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.engine.attempts.processes.process_lifetime import die_with_parent, protect_memory
from mainspring.engine.definitions.announcement import build_announcement, complete_definition
from mainspring.engine.definitions.flag_questions import find_flag_questions
from mainspring.engine.definitions.reachable_names import find_versions
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.journal_replay import replay_journal
from mainspring.engine.driver.replay import SavedRun, replay_run
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_variables import SECRET_VARIABLES


def main() -> None:
    """Load the code, report it, then replay each run that arrives, until the parent closes the connection."""
    channel = MessageChannel.take_stdin()
    spec = channel.receive(ReplaySpec)
    die_with_parent(spec.parent)
    protect_memory()
    offline = OfflineMode()
    offline.begin()
    before = frozenset(sys.modules)
    project = Project.find(flags=spec.flags, config=None if spec.config is None else Path(spec.config))
    SECRET_VARIABLES.take(os.environ)
    watch = BlockWatch(channel)
    with watch.limit(spec.load_limit_s):
        registry = project.load_registry(spec.modules)
        code = _describe_code(registry, before, offline.refused)
    channel.send(code)
    replayer = _Replayer(project, registry)
    replay = replayer.replay_journal if spec.is_traced else replayer.replay
    offline.is_replaying = True
    while True:
        try:
            saved = channel.receive(SavedRun)
        except EOFError:
            os._exit(0)  # no exit handler and no thread of the loaded code may keep this process
        offline.refused.clear()
        with watch.limit(spec.limit_s):
            report = replay(saved, offline)
        channel.send(report)


def _describe_code(registry: Registry, before: frozenset[str], refused: list[str]) -> LoadedCode:
    build_announcement(registry, 0)  # notes problems of schedules, as the announcement of a worker does
    return LoadedCode(
        [complete_definition(automation).to_data() for automation in registry],
        {old: automation.name for automation in registry for old in automation.was},
        list(registry.problems),
        find_flag_questions(registry, before),
        list(refused),
        list(_list_changes(registry)),
    )


def _list_changes(registry: Registry) -> Iterator[CodeChange]:
    for automation in registry:
        if automation.fn is not None and automation.definition.kind is DefinitionKind.WORKFLOW:
            for change, newest in find_versions(automation.fn).items():
                yield CodeChange(automation.name, automation.version, change, newest)


class _Replayer:
    """Replays runs against the loaded code, with the failure rules of the project."""

    def __init__(self, project: Project, registry: Registry) -> None:
        self._registry = registry
        self._clock = project.clock
        self._classifier = project.classifier or Classifier()
        self._payload_max = project.settings.store.payload_max

    def replay(self, saved: SavedRun, offline: OfflineMode) -> ReplayReport:
        """Return the report about one run."""
        result = replay_run(saved, self._registry, self._build_failure, self._payload_max)
        return ReplayReport(result, list(offline.refused))

    def replay_journal(self, saved: SavedRun, offline: OfflineMode) -> TracedReplay:
        """Return the report about one run for a test."""
        result = replay_journal(saved, self._registry, self._build_failure, self._payload_max)
        return TracedReplay(result, list(offline.refused))

    def _build_failure(self, error: BaseException) -> Failure:
        verdict = self._classifier.classify(error, datetime.fromtimestamp(self._clock.now() // 1000, UTC))
        return KNOWN_SECRETS.redactor.redact_failure(Failure.of(error, verdict))


if __name__ == "__main__":
    main()
