"""The page docs/reference/python.md, made of the public names and their docstrings: `python -m tests.python_page` writes it again.

The examples are the bodies of the tests in tests/reference. Signatures are read from the source: the page is the same on each Python.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import mainspring as ms
import mainspring.testing
from mainspring.app.application import Starter
from mainspring.app.question_queries import QuestionQueries
from mainspring.app.remote.client import Client, RemoteStarter
from mainspring.app.remote.remote_handle import RemoteHandle
from mainspring.app.remote.remote_schedules import RemoteSchedules
from mainspring.app.run_queries import RunQueries
from mainspring.app.schedules.schedule_operations import ScheduleOperations
from mainspring.app.secret import Secret
from mainspring.domain.definitions.options import OPTIONS, DefinitionKind
from mainspring.domain.duration import format_duration
from mainspring.engine.attempts.effect import Effect
from mainspring.engine.attempts.named_lock import NamedLock
from mainspring.engine.attempts.streams import StreamWriter
from mainspring.engine.body.run_log import RunLog
from mainspring.engine.body.streams import BodyStream
from mainspring.integrations.verifiers import VERIFIERS
from tests.reference.documented import EXAMPLES, Example

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python.md"
MODULES = ("automations", "runs", "step_calls", "middleware", "programs", "clients", "failures", "testing")
"""The modules of examples, `tests/reference/test_*.py`."""
HEAD = """# Python

On this page you find every public name: its signature, its rules, the errors that it raises, and an example. To learn Mainspring, \
read the [tutorial](../tutorial.md).

```python
import mainspring as ms

@ms.task
def double(n: int) -> int:
    return 2 * n

assert ms.App("state.db").run(double, 21) == 42
```

| in the examples | meaning |
|---|---|
| `app` | `ms.App("state.db")` |
| `client` | `ms.connect("https://ops.example.com", token=...)`, a client of the project of `app` |
| `await` outside of a function | The example is the body of an `async def`. |
| `async with app.running():` | works in this program. Without it, run a worker: `mainspring up`. |
| `isolate="thread"` | A function inside of a function cannot be imported by a child process. |

A test runs each example. Errors without `ms.` are built into Python or defined in `mainspring.domain`; [errors](errors.md) \
explains each code. A duration is text such as `"30s"`, `"15m"` or `"7d"`, a number of seconds, or a `timedelta`. \
[Actions](../how-to/actions.md) have pages of their own.
"""


class Section(NamedTuple):
    """A section of the page: its title, its sentence, and its names in their order."""

    title: str
    text: str
    names: tuple[str, ...]


SECTIONS = (
    Section(
        "Automations",
        "Decorators and functions that declare what Mainspring runs.",
        ("task", "workflow", "step", "script", "action", "__version__"),
    ),
    Section("Triggers", "Decorators that start an automation, below or above `task` and `workflow`.", ("on", "verify")),
    Section(
        "Calls of a workflow",
        "The first parameter of a workflow is its run.",
        ("Run", "Run.log", "Run.stream", "StartedRun", "ItemFailed"),
    ),
    Section(
        "Calls of a step",
        "A task, a step and an action may call these. `once`, `lock`, `secret` and `flag` also work in plain programs.",
        (
            *(
                "attempt",
                "idempotency_key",
                "checkpoint",
                "last_checkpoint",
                "progress",
                "heartbeat",
                "log",
                "measure",
                "stream",
                "StreamWriter",
                "headers",
            ),
            *("publish", "send", "once", "Effect", "lock", "NamedLock", "flag", "flag_async", "secret", "Secret", "Tx"),
        ),
    ),
    Section(
        "Middleware",
        "Code around runs and steps; see [middleware](../how-to/middleware.md).",
        ("middleware", "RunInvocation", "StepInvocation"),
    ),
    Section(
        "Programs",
        "Start, steer and read runs.",
        (
            "App",
            "Starter",
            "App.runs",
            "App.questions",
            "App.schedules",
            "ScheduleInfo",
            "schedules",
            "Handle",
            "RunInfo",
            "RunDetails",
            "QuestionInfo",
            "StepInfo",
            "StreamRecord",
            "RunState",
            "Update",
            "Event",
            "File",
            "FileRef",
            "RunFile",
        ),
    ),
    Section(
        "Programs elsewhere",
        "A client of the [API](api.md).",
        ("connect", "Client", "RemoteStarter", "RemoteHandle", "Client.schedules"),
    ),
    Section(
        "Retries and errors",
        "A step raises the first four. All errors derive from `MainspringError`.",
        (
            *("Transient", "NotSent", "Permanent", "MainspringError", "Retry", "Classifier", "Verdict", "StepFailed"),
            *("RunFailed", "UpdateFailed", "UpdateRejected", "RunEnded", "QueryFailed", "Throttled", "Truncated"),
        ),
    ),
    Section(
        "Tests",
        "`from mainspring.testing import ...`; see [tests](../how-to/testing.md).",
        tuple(f"testing.{name}" for name in mainspring.testing.__all__),
    ),
)
RETURNED: dict[str, Any] = {
    "App.runs": RunQueries,
    "App.questions": QuestionQueries,
    "App.schedules": ScheduleOperations,
    "Client.schedules": RemoteSchedules,
    "Run.log": RunLog,
    "Run.stream": BodyStream,
    "StreamWriter": StreamWriter,
    "Starter": Starter,
    "Client": Client,
    "RemoteStarter": RemoteStarter,
    "RemoteHandle": RemoteHandle,
    "Secret": Secret,
    "Effect": Effect,
    "NamedLock": NamedLock,
}
"""Classes that are no public names: a public call returns their objects."""
NOT_CONSTRUCTED = {
    *(
        "Run",
        "Handle",
        "Tx",
        "StartedRun",
        "RunInfo",
        "RunDetails",
        "QuestionInfo",
        "StepInfo",
        "ItemFailed",
        "StepFailed",
        "RunFailed",
        "RunEnded",
    ),
    *("ScheduleInfo", "RunInvocation", "StepInvocation"),
    *(
        "UpdateFailed",
        "UpdateRejected",
        "QueryFailed",
        "Throttled",
        "Truncated",
        "StreamRecord",
        *("testing.Fake", "testing.LabRun", "testing.SyncLab", "testing.SyncRun"),
        "testing.ReplayCase",
        "File",
        "FileRef",
        "RunFile",
        "MainspringError",
        *RETURNED,
    ),
}
"""Classes whose objects Mainspring makes."""
INTERNAL = {
    *("App.do", "App.of", "App.work_on", "App.open_store", "App.opened_store", "App.opened_engine"),
    *("App.file_chunks", "Client.stream"),
    *(
        "App.prepare_start",
        "App.choose_version",
        "App.find_signature",
        "App.automation",
        "App.runs",
        "App.questions",
        "Run.step_with",
    ),
    *("Run.library_branch", "Run.library_step"),
    *("App.schedules", "App.scheduling_context", "Client.schedules"),
    *(
        "Effect.call",
        "Effect.call_async",
        "File.at",
        "Retry.as_default",
        "Retry.delay_after",
        "Retry.to_data",
        "Retry.from_data",
    ),
    *("testing.FakeClock.now_us", "testing.FakeClock.advance_us", "testing.FakeClock.random_bits"),
    "testing.VirtualLoop.time",
    *(
        f"testing.{name}.{member}"
        for name in ("SyncLab", "SyncRun")
        for member in vars(getattr(mainspring.testing, name))
    ),
}
"""Methods for other parts of Mainspring."""
DECLARED_KINDS = (DefinitionKind.SCRIPT, DefinitionKind.TASK, DefinitionKind.WORKFLOW, DefinitionKind.STEP)
BAR = "\\|"
CONSTANT = re.compile(r"=(_?[A-Z][A-Z_]+)\b")
DEFAULT = re.compile(r"^(\w+: .*?)=(?=[^=]+$)")
ERROR_NAMES = re.compile(r"^([A-Z][A-Za-z]+(?:, [A-Z][A-Za-z]+)*): ")
RAISES = re.compile(r"^Raises(?: \(([^)]*)\))?:[ ]?(.*)$")


def load_examples() -> dict[str, Example]:
    """Return the example of each name."""
    for module in MODULES:
        importlib.import_module(f"tests.reference.test_{module}")
    return {name: example for example in EXAMPLES for name in example.names}


def find_object(name: str) -> Any:
    """Return the object of a name of the page."""
    if name in RETURNED:
        return RETURNED[name]
    owner: Any = ms
    if name.startswith("testing."):
        owner, name = mainspring.testing, name.removeprefix("testing.")
    return getattr(owner, name)


def list_members(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a class, or the functions of a module of the page, with their full names."""
    value = find_object(name)
    if inspect.ismodule(value):
        names = (
            sorted(VERIFIERS)
            if name == "verify"
            else ["cron", "every", "event", "webhook", "queue", "files", "run", "runs"]
        )
        yield from ((f"{name}.{member}", getattr(value, member)) for member in names)
        return
    value = value if inspect.isclass(value) else type(value)
    if value.__module__.startswith("mainspring") and not issubclass(value, Enum):
        bases = [base for base in value.__mro__ if base.__module__.startswith("mainspring")]
        members = {member: found for base in reversed(bases) for member, found in vars(base).items()}
        for member, found in members.items():
            is_call = inspect.isroutine(found) or isinstance(found, property | classmethod | staticmethod)
            if is_call and not member.startswith("_") and f"{name}.{member}" not in INTERNAL:
                yield f"{name}.{member}", found


def list_names() -> Iterator[str]:
    """Yield all names of the page."""
    for section in SECTIONS:
        for name in section.names:
            yield name
            yield from (member for member, _ in list_members(name))


def page() -> str:
    """Return the whole page."""
    examples = load_examples()
    parts = [HEAD]
    printed: dict[str, str] = {}
    for section in SECTIONS:
        parts.append(f"\n## {section.title}\n\n{section.text}\n")
        if section.title == "Automations":
            parts.append(_option_table())
        for name in section.names:
            parts.append(_entry(name, find_object(name), examples, printed))
            parts += [_entry(member, found, examples, printed) for member, found in list_members(name)]
    return "".join(parts)


def _option_table() -> str:
    rows = ["\n| option | of | meaning |\n|---|---|---|\n"]
    for name, option in OPTIONS.items():
        kinds = [f"`{kind.value}`" for kind in DECLARED_KINDS if kind in option.kinds]
        rows.append(f"| `{name}` | {', '.join(kinds)} | {option.help.replace('|', BAR)} |\n")
    return "".join(rows)


def _entry(name: str, value: Any, examples: dict[str, Example], printed: dict[str, str]) -> str:
    """Return the part of one name; `printed` = the code of each example that stands above, with its name."""
    signature = _signature(name, value)
    text = [f"\n### {name}\n"]
    if signature:
        text.append(f"\n```\n{signature}\n```\n")
    text.append(_semantics(name, value))
    example = examples.get(name)
    if example is None:
        return "".join(text)
    if example.code in printed:
        text.append(f"\nExample: [{printed[example.code]}](#{_anchor(printed[example.code])}).\n")
    else:
        printed[example.code] = name
        text.append(f"\n*Example:* {example.title}\n\n<!-- fragment -->\n```python\n{example.code}\n```\n")
    return "".join(text)


def _anchor(name: str) -> str:
    return re.sub(r"[^\w-]", "", name.lower())


def _signature(name: str, value: Any) -> str:
    """Return the signature, as its author wrote it."""
    if isinstance(value, property):
        returns = _function_of(value.fget).returns
        return f"{name} -> {'' if returns is None else ast.unparse(returns)}".replace("'", "")
    if inspect.isclass(value):
        if name in NOT_CONSTRUCTED or issubclass(value, Enum):
            return ""
        return _constructor(name, value)
    call = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return _call(name, call) if inspect.isroutine(call) else ""


def _constructor(name: str, value: type) -> str:
    init = next((vars(base)["__init__"] for base in value.__mro__ if "__init__" in vars(base)), None)
    if inspect.isfunction(init) and "mainspring" in init.__code__.co_filename:
        return _call(name, init)
    node = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    assert isinstance(node, ast.ClassDef)
    fields = [ast.unparse(field) for field in node.body if isinstance(field, ast.AnnAssign)]
    return _join(name, fields, "") if fields else ""


def _function_of(call: Any) -> ast.FunctionDef | ast.AsyncFunctionDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(call)))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return node


def _call(name: str, call: Any) -> str:
    """Return the signature of a function or method, without self and the catcher of unknown options."""
    node = _function_of(call)
    arguments = node.args
    if arguments.kwarg is not None and arguments.kwarg.arg == "unknown":
        arguments.kwarg = None
    for parameters in (arguments.posonlyargs, arguments.args):
        if parameters and parameters[0].arg in ("self", "cls"):
            del parameters[0]
    written = ast.unparse(arguments)
    module = inspect.getmodule(inspect.unwrap(call))
    written = CONSTANT.sub(lambda constant: f"={_constant(getattr(module, constant[1]))}", written)
    returns = (
        "" if node.returns is None or node.name == "__init__" else f" -> {ast.unparse(node.returns)}".replace("'", "")
    )
    is_context = any("asynccontextmanager" in ast.unparse(decorator) for decorator in node.decorator_list)
    is_async = isinstance(node, ast.AsyncFunctionDef) and not is_context
    return _join(f"{'await ' if is_async else ''}{name}", _split(written), returns)


def _constant(value: Any) -> str:
    if isinstance(value, timedelta):
        return repr(format_duration(value))
    return repr(value) if value is None or isinstance(value, str | int | float) else "..."


def _split(written: str) -> list[str]:
    """Return the parameters: the text is split at commas that stand in no brackets or quotes."""
    parts, depth = [""], 0
    for character in written:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [DEFAULT.sub(r"\1 = ", part.strip()).replace("'", '"') for part in parts if part.strip()]


def _join(name: str, parameters: list[str], returns: str) -> str:
    line = f"{name}({', '.join(parameters)}){returns}"
    return line if len(line) <= 110 else f"{name}(\n" + "".join(f"    {row},\n" for row in parameters) + f"){returns}"


def _semantics(name: str, value: Any) -> str:
    """Return the docstring as Markdown."""
    if name == "__version__":
        return "\nThe version of Mainspring, as text.\n"
    doc = inspect.getdoc(value.fget if isinstance(value, property) else value) or ""
    if inspect.ismodule(value):
        doc = doc.partition(": ")[2]
        doc = doc[:1].upper() + doc[1:]
    if inspect.isclass(value) and issubclass(value, Enum):
        doc += "\n\n" + ", ".join(f"`{member.name}`" for member in value) + "."
    return "".join(f"\n{paragraph}\n" for paragraph in _paragraphs(doc))


def _paragraphs(doc: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring: code as code, errors as a list."""
    for paragraph in doc.split("\n\n"):
        lines = paragraph.splitlines()
        if not lines:
            continue
        head = RAISES.match(lines[0])
        if head is not None:
            yield f"Raises{f' ({head[1]})' if head[1] else ''}:\n\n" + "\n".join(_errors([head[2], *lines[1:]]))
        elif lines[0].startswith("    "):
            yield "<!-- fragment -->\n```python\n" + textwrap.dedent(paragraph) + "\n```"
        else:
            yield " ".join(line.strip() for line in lines)


def _errors(lines: list[str]) -> Iterator[str]:
    """Yield a line of the list for each error of a section "Raises"."""
    rows: list[str] = []
    for line in lines:
        text = line.strip()
        if not text:
            continue
        if rows and line.startswith("     ") and ": " not in text.partition(" ")[0]:
            rows[-1] += f" {text}"
        else:
            rows.append(text)
    yield from (
        "- " + ERROR_NAMES.sub(lambda found: ", ".join(f"`{name}`" for name in found[1].split(", ")) + ": ", row)
        for row in rows
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
