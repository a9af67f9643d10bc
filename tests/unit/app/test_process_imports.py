"""What a process imports: each starts with what it is for, and not with the whole program."""

import subprocess
import sys

import pytest

NEEDLESS = {
    "mainspring.app.processes.supervisor": (
        "mainspring.app.workers.worker_runtime",
        "mainspring.app.workers.upkeep",
        "mainspring.engine.definitions.registry",
    ),
    "mainspring.app.processes.scheduler_process": (
        "mainspring.app.workers.worker_runtime",
        "mainspring.engine.worker.worker",
        "http.client",
    ),
    "mainspring.app.processes.watcher_process": (
        "mainspring.app.workers.worker_runtime",
        "mainspring.engine.worker.worker",
        "http.client",
    ),
    "mainspring.app.processes.worker_process": ("mainspring.app.setup.tracing", "mainspring.web", "http.client"),
    "mainspring.insight.status.project_status": ("mainspring.engine.definitions.registry", "asyncio", "http.client"),
}


@pytest.mark.parametrize("process", NEEDLESS)
def test_process_imports_only_its_part(process):
    """Its cost is paid at each start of `mainspring up` and of a command."""
    code = f"import sys, {process}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert process in modules
    assert [name for name in NEEDLESS[process] if name in modules] == []
