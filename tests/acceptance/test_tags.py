"""What carries a tag: such runs wait for a worker that has it, and one can be started."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from tests import warm_command_line
from tests.acceptance.engine_world import World

AUTOMATIONS = """
import mainspring as ms

@ms.task(tag="gpu")
def train(n: int) -> int:
    return n + 1
"""


def tagged() -> tuple[Registry, object]:
    with Registry() as registry:

        @ms.task(tag="gpu")
        def train(n: int) -> int:
            return n + 1

    return registry, train


@pytest.mark.asyncio
async def test_app_with_a_tag_takes_what_an_app_without_it_leaves(tmp_path):
    """`App(tags=["gpu"])` is a worker that carries it."""
    registry, train = tagged()
    async with World(tmp_path).engine(registry, WorkerOptions(concurrency=4)) as engine:
        run = await engine.start(train, 1)
        seen = engine.working.worker.claimer.count
        await engine.when(lambda: engine.working.worker.claimer.count, lambda count: count > seen + 1)
        assert engine.view(run).state is RunState.QUEUED
        app = ms.App(tmp_path / "state.db", registry=registry, tags=["gpu"])
        async with app.running():
            assert await ms.Handle(app, run.id, None).result(timeout=60) == 2


@pytest.mark.parametrize("tags", ["gpu", [""], [1]])
def test_app_refuses_tags_that_are_no_list_of_words(tmp_path, tags):
    """A bare text would be taken for three tags."""
    with pytest.raises(OptionError, match="tags"):
        ms.App(tmp_path / "state.db", tags=tags)


@pytest.mark.parametrize("way", ["flag", "file"])
def test_worker_process_carries_the_tags_of_flag_or_file(tmp_path, way):
    """`mainspring up --tag gpu`, or `[worker] tags`, serves them; `workers list` shows them."""
    (tmp_path / "auto.py").write_text(AUTOMATIONS)
    tags = '[worker]\ntags = ["gpu"]\n' if way == "file" else ""
    (tmp_path / "mainspring.toml").write_text(
        f'[project]\nautomations = ["auto.py"]\n[store]\nurl = "state.db"\n{tags}'
    )
    env = os.environ | {"PYTHONPATH": str(Path(ms.__file__).parent.parent)}

    def call(*args: str) -> str:
        done = warm_command_line.call(args, cwd=tmp_path, env=env, timeout=60)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    run = json.loads(call("run", "train", "n=1", "--detach", "--json"))["run"]
    up = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "up", *(("--tag", "gpu") if way == "flag" else ())],
        cwd=tmp_path,
        env=env,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while "succeeded" not in (output := call("runs", "list", "--json")):
            assert time.monotonic() < until, output
        workers = json.loads(call("workers", "list", "--json"))
        assert any("gpu" in worker["tags"] for worker in workers), workers
        assert run in output
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(timeout=60) == 0
