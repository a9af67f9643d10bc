"""Where steps run, and the names by which a child finds them."""

import functools
import importlib.util
import json
import subprocess
import sys
import time

import pytest

from mainspring.domain.errors import DefinitionError
from mainspring.engine.attempts.isolation import choose_isolation, import_name_of, is_async, load_callable


def plain_step() -> None:
    return None


async def async_step() -> None:
    return None


class Owner:
    def method(self) -> None:
        return None

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static() -> int:
        return 3

    async def __call__(self) -> None:
        return None


@pytest.mark.parametrize(
    ("fn", "options", "answer"),
    [
        (async_step, {}, "loop"),
        (async_step, {"timeout": 5}, "loop"),
        (async_step, {"isolate": "thread"}, "thread"),
        (time.sleep, {"isolate": "process"}, "process"),
        (plain_step, {}, "thread"),
        (plain_step, {"timeout": None, "isolate": None}, "thread"),
        (time.sleep, {"timeout": 5}, "process"),
        (plain_step, {"timeout": 5, "isolate": "thread"}, "thread"),
    ],
)
def test_isolation_follows_function_kind_timeout_and_option(fn, options, answer):
    """Async in the loop, plain with a time-out in a child, plain without in a thread; a stated wish wins."""
    assert choose_isolation(fn, options) == answer


def test_plain_function_is_refused_in_the_loop():
    """A plain function would block the loop."""
    with pytest.raises(DefinitionError, match="plain function"):
        choose_isolation(plain_step, {"isolate": "loop"})


def test_colour_is_seen_through_partials_and_objects():
    """Partials and instances with an async call are async."""
    assert is_async(functools.partial(async_step))
    assert is_async(Owner())
    assert not is_async(Owner)
    assert not is_async(functools.partial(plain_step))


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda: None, "a lambda"),
        (functools.partial(plain_step), "without its own name"),
        (Owner().method, "no module holds under a name"),
        (Owner(), "without its own name"),
    ],
    ids=["lambda", "partial", "method", "instance"],
)
def test_function_that_no_child_can_import_is_refused(fn, reason):
    """The error names the function, why, and what to do."""
    with pytest.raises(DefinitionError, match=reason) as caught:
        import_name_of(fn)
    assert "top level" in str(caught.value)


def test_function_whose_name_was_taken_is_refused(monkeypatch):
    """A child would import another function than was asked for."""
    original = plain_step
    monkeypatch.setattr(sys.modules[__name__], "plain_step", async_step)
    with pytest.raises(DefinitionError, match="not what"):
        import_name_of(original)


@pytest.mark.parametrize("fn", [plain_step, Owner.static, Owner.of_class, time.sleep, json.dumps])
def test_name_leads_back_to_the_function(fn):
    """Functions, static and class methods and builtins are found by the name they are given."""
    assert load_callable(import_name_of(fn)) == fn


def test_module_loaded_from_a_file_is_named_with_its_file(tmp_path, monkeypatch):
    """A file that a plain import would not find is loaded by its path, once."""
    file = tmp_path / "odd file.py"
    file.write_text("def step():\n    return __name__\n")
    spec = importlib.util.spec_from_file_location("odd_module", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "odd_module", module)
    spec.loader.exec_module(module)
    name = import_name_of(module.step)
    assert name == f"odd_module@{file}:step"
    monkeypatch.delitem(sys.modules, "odd_module")
    assert load_callable(name)() == "odd_module"
    assert load_callable(name) is load_callable(name)
    monkeypatch.delitem(sys.modules, "odd_module")


def test_function_of_the_main_file_is_loaded_under_another_name(tmp_path):
    """A program's own file is not run again as the program."""
    file = tmp_path / "program.py"
    file.write_text(
        "from mainspring.engine.attempts.isolation import import_name_of, load_callable\n"
        "def step():\n    return __name__\n"
        "if __name__ == '__main__':\n"
        "    name = import_name_of(step)\n"
        "    print(name)\n"
        "    print(load_callable(name)())\n"
    )
    out = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True, env=_environ())
    assert out.stdout.split() == [f"__mainspring_main__@{file}:step", "__mainspring_main__"]


def test_module_started_by_name_keeps_its_name(tmp_path):
    """A program started with -m is imported by its module's name."""
    (tmp_path / "started.py").write_text(
        "from mainspring.engine.attempts.isolation import import_name_of\n"
        "def step():\n    return 1\n"
        "if __name__ == '__main__':\n    print(import_name_of(step))\n"
    )
    command = [sys.executable, "-m", "started"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=_environ(), cwd=tmp_path)
    assert out.stdout.strip() == "started:step"


def test_missing_name_is_an_import_error():
    """A name that is gone says so."""
    with pytest.raises(ImportError, match="no no_such_step"):
        load_callable(f"{__name__}:no_such_step")


def _environ():
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
