"""Mainspring: automation that can be trusted: durable, observed, safe to run twice, and loud when it stops.

Every public name is in `_PUBLIC` and nowhere else; each is imported when it is first asked for, so that
`import mainspring` costs next to nothing. Checkers see the same names in the block below it (a test compares the two).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mainspring.version import __version__ as __version__

if TYPE_CHECKING:
    from mainspring.app.action import action as action
    from mainspring.app.application import App as App
    from mainspring.app.flag import flag as flag
    from mainspring.app.flag import flag_async as flag_async
    from mainspring.app.handle import Handle as Handle
    from mainspring.app.lock import lock as lock
    from mainspring.app.once import once as once
    from mainspring.app.program_schedules import schedules as schedules
    from mainspring.app.question_queries import QuestionInfo as QuestionInfo
    from mainspring.app.remote.client import connect as connect
    from mainspring.app.run_queries import RunDetails as RunDetails
    from mainspring.app.run_queries import RunInfo as RunInfo
    from mainspring.app.run_queries import StepInfo as StepInfo
    from mainspring.app.schedules.schedule_info import ScheduleInfo as ScheduleInfo
    from mainspring.app.secret import secret as secret
    from mainspring.domain.errors import MainspringError as MainspringError
    from mainspring.domain.errors import NotSent as NotSent
    from mainspring.domain.errors import Permanent as Permanent
    from mainspring.domain.errors import Throttled as Throttled
    from mainspring.domain.errors import Transient as Transient
    from mainspring.domain.failures.classifier import Classifier as Classifier
    from mainspring.domain.failures.retry import Retry as Retry
    from mainspring.domain.failures.saved_error import QueryFailed as QueryFailed
    from mainspring.domain.failures.saved_error import RunEnded as RunEnded
    from mainspring.domain.failures.saved_error import RunFailed as RunFailed
    from mainspring.domain.failures.saved_error import StepFailed as StepFailed
    from mainspring.domain.failures.saved_error import UpdateFailed as UpdateFailed
    from mainspring.domain.failures.saved_error import UpdateRejected as UpdateRejected
    from mainspring.domain.failures.verdict import Verdict as Verdict
    from mainspring.domain.runs.run_file import RunFile as RunFile
    from mainspring.domain.runs.stream import StreamRecord as StreamRecord
    from mainspring.domain.runs.stream import Truncated as Truncated
    from mainspring.domain.runs.update import Update as Update
    from mainspring.domain.states import RunState as RunState
    from mainspring.domain.values.event import Event as Event
    from mainspring.domain.values.file import File as File
    from mainspring.engine.attempts.file_ref import FileRef as FileRef
    from mainspring.engine.attempts.measure import measure as measure
    from mainspring.engine.attempts.outbox_api import publish as publish
    from mainspring.engine.attempts.outbox_api import send as send
    from mainspring.engine.attempts.step_context import attempt as attempt
    from mainspring.engine.attempts.step_context import checkpoint as checkpoint
    from mainspring.engine.attempts.step_context import headers as headers
    from mainspring.engine.attempts.step_context import heartbeat as heartbeat
    from mainspring.engine.attempts.step_context import idempotency_key as idempotency_key
    from mainspring.engine.attempts.step_context import last_checkpoint as last_checkpoint
    from mainspring.engine.attempts.step_context import log as log
    from mainspring.engine.attempts.step_context import progress as progress
    from mainspring.engine.attempts.step_middleware import StepInvocation as StepInvocation
    from mainspring.engine.attempts.streams import stream as stream
    from mainspring.engine.attempts.transaction import Tx as Tx
    from mainspring.engine.body.child_runs import StartedRun as StartedRun
    from mainspring.engine.body.fan_out import ItemFailed as ItemFailed
    from mainspring.engine.body.run import Run as Run
    from mainspring.engine.body.run_middleware import RunInvocation as RunInvocation
    from mainspring.engine.definitions import on as on
    from mainspring.engine.definitions.decorators import script as script
    from mainspring.engine.definitions.decorators import step as step
    from mainspring.engine.definitions.decorators import task as task
    from mainspring.engine.definitions.decorators import workflow as workflow
    from mainspring.engine.definitions.middleware import middleware as middleware
    from mainspring.integrations import verify as verify

#: Public name -> the module that defines it.
_PUBLIC: dict[str, str] = {
    "App": "mainspring.app.application",
    "Classifier": "mainspring.domain.failures.classifier",
    "Event": "mainspring.domain.values.event",
    "File": "mainspring.domain.values.file",
    "FileRef": "mainspring.engine.attempts.file_ref",
    "Handle": "mainspring.app.handle",
    "ItemFailed": "mainspring.engine.body.fan_out",
    "MainspringError": "mainspring.domain.errors",
    "NotSent": "mainspring.domain.errors",
    "Permanent": "mainspring.domain.errors",
    "QueryFailed": "mainspring.domain.failures.saved_error",
    "QuestionInfo": "mainspring.app.question_queries",
    "Retry": "mainspring.domain.failures.retry",
    "Run": "mainspring.engine.body.run",
    "RunDetails": "mainspring.app.run_queries",
    "RunEnded": "mainspring.domain.failures.saved_error",
    "RunFailed": "mainspring.domain.failures.saved_error",
    "RunFile": "mainspring.domain.runs.run_file",
    "RunInvocation": "mainspring.engine.body.run_middleware",
    "RunInfo": "mainspring.app.run_queries",
    "RunState": "mainspring.domain.states",
    "ScheduleInfo": "mainspring.app.schedules.schedule_info",
    "StartedRun": "mainspring.engine.body.child_runs",
    "StepFailed": "mainspring.domain.failures.saved_error",
    "StepInfo": "mainspring.app.run_queries",
    "StepInvocation": "mainspring.engine.attempts.step_middleware",
    "StreamRecord": "mainspring.domain.runs.stream",
    "Throttled": "mainspring.domain.errors",
    "Transient": "mainspring.domain.errors",
    "Truncated": "mainspring.domain.runs.stream",
    "Tx": "mainspring.engine.attempts.transaction",
    "Update": "mainspring.domain.runs.update",
    "UpdateFailed": "mainspring.domain.failures.saved_error",
    "UpdateRejected": "mainspring.domain.failures.saved_error",
    "Verdict": "mainspring.domain.failures.verdict",
    "action": "mainspring.app.action",
    "attempt": "mainspring.engine.attempts.step_context",
    "checkpoint": "mainspring.engine.attempts.step_context",
    "connect": "mainspring.app.remote.client",
    "flag": "mainspring.app.flag",
    "flag_async": "mainspring.app.flag",
    "headers": "mainspring.engine.attempts.step_context",
    "heartbeat": "mainspring.engine.attempts.step_context",
    "idempotency_key": "mainspring.engine.attempts.step_context",
    "last_checkpoint": "mainspring.engine.attempts.step_context",
    "lock": "mainspring.app.lock",
    "log": "mainspring.engine.attempts.step_context",
    "measure": "mainspring.engine.attempts.measure",
    "middleware": "mainspring.engine.definitions.middleware",
    "on": "mainspring.engine.definitions",
    "once": "mainspring.app.once",
    "progress": "mainspring.engine.attempts.step_context",
    "publish": "mainspring.engine.attempts.outbox_api",
    "schedules": "mainspring.app.program_schedules",
    "script": "mainspring.engine.definitions.decorators",
    "secret": "mainspring.app.secret",
    "send": "mainspring.engine.attempts.outbox_api",
    "step": "mainspring.engine.definitions.decorators",
    "stream": "mainspring.engine.attempts.streams",
    "task": "mainspring.engine.definitions.decorators",
    "verify": "mainspring.integrations",
    "workflow": "mainspring.engine.definitions.decorators",
}

_MODULES = ("on", "verify")

__all__ = sorted([*_PUBLIC, "__version__"])  # noqa: PLE0605 - a list all the same


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, and keep it."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mainspring' has no attribute {name!r}")
    home = _PUBLIC[name]
    value = import_module(f"{home}.{name}") if name in _MODULES else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Offer the public names to completion."""
    return sorted({*globals(), *_PUBLIC})
