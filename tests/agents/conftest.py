"""The libraries of agents, which are extras: on the machine of a person their tests are left out without them, in CI they fail."""

import importlib.util
import os

_ABSENT = [name for name in ("pydantic_ai", "agents", "openai") if importlib.util.find_spec(name) is None]
_MESSAGE = f"{', '.join(_ABSENT)}: not installed, so agents are not tested: make setup"
assert not (_ABSENT and os.environ.get("CI")), _MESSAGE
collect_ignore_glob = ["test_*.py"] if _ABSENT else []


def pytest_terminal_summary(terminalreporter) -> None:
    """Print what is not tested."""
    if _ABSENT:
        terminalreporter.write_line(f"SKIPPED tests/agents: {_MESSAGE}", yellow=True)
