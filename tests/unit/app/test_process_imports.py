"""What a process imports: each starts with what it is for, and not with the whole program."""

import subprocess
import sys

import pytest

NEEDLESS = {
    "mainspring.app.supervisor": (
        "mainspring.app.working",
        "mainspring.app.upkeep",
        "mainspring.engine.definitions.registry",
    ),
    "mainspring.app.scheduler_process": ("mainspring.app.working", "mainspring.engine.worker.worker", "http.client"),
    "mainspring.app.watcher_process": ("mainspring.app.working", "mainspring.engine.worker.worker", "http.client"),
    "mainspring.app.worker_process": ("mainspring.app.tracing", "mainspring.web", "http.client"),
    "mainspring.insight.verdict": ("mainspring.engine.definitions.registry", "asyncio", "http.client"),
}


@pytest.mark.parametrize("process", NEEDLESS)
def test_process_imports_only_its_part(process):
    """Its cost is paid at each start of `mainspring up` and of a command."""
    code = f"import sys, {process}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert process in modules
    assert [name for name in NEEDLESS[process] if name in modules] == []
