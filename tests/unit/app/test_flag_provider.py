"""A provider of OpenFeature answers in place of the store: in runs its first answer is on record, and one that fails stops no one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import mainspring as ms
from mainspring.app import program_flags
from mainspring.app.project import Project
from mainspring.domain.errors import ConfigError
from mainspring.domain.flags.flag import FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.store.commands.flags import ChangeFlag
from mainspring.store.read.flags import list_flag_uses
from tests.browser import served
from tests.new_stores import create_store
from tests.polling import polls

VENDOR = """
import threading
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

HANG = threading.Event()

class Company(InMemoryProvider):
    "As that of a company: its people flip flags while runs go on, and some hang or fail."

    def resolve_boolean_details(self, flag_key, default_value, evaluation_context=None):
        if flag_key == "hangs":
            HANG.wait(60)
        if flag_key == "fails":
            raise OSError("no route to the vendor")
        return super().resolve_boolean_details(flag_key, default_value, evaluation_context)

provider = Company({
    "mailer": InMemoryFlag("on", {"on": True, "off": False}),
    "color": InMemoryFlag("b", {"a": "red", "b": "blue"}),
    "limit": InMemoryFlag("x", {"x": 10}),
    "plan": InMemoryFlag("x", {"x": {"a": [1]}}),
})

def make():
    return provider

def flip(to):
    provider._flags["mailer"] = InMemoryFlag(to, {"on": True, "off": False})
"""
REMOTE = """
from openfeature.contrib.provider.ofrep import OFREPProvider

provider = OFREPProvider("{address}")
"""
SHOP = """
import mainspring as ms
from vendor import flip

def ask():
    return ms.flag("mailer", by="ann")

@ms.workflow
async def changed(run):
    answers = [await run.flag("mailer", by="ann")]
    await run.step(flip, "off")
    answers += [await run.step(ask), await run.flag("mailer", by="ann"), await run.flag("mailer", by="ann", fresh=True)]
    await run.step(flip, "on")
    return answers

@ms.workflow
async def others(run):
    return [
        await run.flag("color", default="red"), await run.flag("limit", default=1), await run.flag("limit", default=0.5, by="other"),
        await run.flag("plan", default={}), await run.flag("nothing", default="x"), await run.flag("color", default=False),
        await run.flag("hangs", default=True), await run.flag("fails", default=True),
    ]
"""
CONFIG = """
[project]
automations = ["shop.py"]
[store]
url = "sqlite:///state.db"
[flags]
provider = "{provider}"
timeout = "200ms"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program_flags, "_programs", {})
    (tmp_path / "vendor.py").write_text(VENDOR)
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "mainspring.toml").write_text(CONFIG.format(provider="vendor:provider"))
    create_store(str(tmp_path / "state.db"))
    yield Project.find()
    vendor = sys.modules.pop("vendor", None)
    if vendor is not None:
        vendor.HANG.set()


def test_first_answer_of_a_provider_counts_for_a_run(project: Project) -> None:
    """In the body and in steps, although the provider changes its mind; `fresh` asks it again."""
    app = ms.App.from_config()
    assert app.run("changed") == [True, True, True, False]


def test_each_type_and_each_failure_of_a_provider(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """An unknown flag, another type, a provider that hangs or fails: the default of the code, counted, and a line in the log."""
    app = ms.App.from_config()
    assert app.run("others") == ["blue", 10, 10, {"a": [1]}, "x", False, True, True]
    with_store = project.open_store()
    uses = {(use.flag, use.side, use.reason) for use in list_flag_uses(with_store.reader, None, 0)}
    with_store.close()
    assert ("color", FlagSide.ON, FlagReason.PROVIDER) in uses
    failed = {flag for flag, side, reason in uses if (side, reason) == (FlagSide.DEFAULT, FlagReason.PROVIDER_FAILED)}
    assert failed == {"nothing", "hangs", "fails"}
    assert ("color", FlagSide.DEFAULT, FlagReason.KIND_MISMATCH) in uses
    assert "its provider failed: FLAG_NOT_FOUND" in caplog.text
    assert "its provider failed: no answer within 0.2 s" in caplog.text
    assert "no route to the vendor" in caplog.text


def test_program_calls_the_provider_each_time(project: Project) -> None:
    """And its answers are counted in the store."""
    assert ms.flag("mailer") is True
    sys.modules["vendor"].flip("off")
    assert ms.flag("mailer") is False
    assert ms.flag("hangs", default=True) is True
    program_flags.program_flags().close()
    store = project.open_store()
    assert sum(use.number for use in list_flag_uses(store.reader, None, 0)) == 3
    store.close()


def test_provider_may_call_a_server_and_the_default_counts_when_it_is_gone(project: Project, tmp_path: Path) -> None:
    """As the service of a company. A flag that the store has too can be killed here, whatever the service says."""

    async def evaluate(request: Request) -> JSONResponse:
        context = (await request.json())["context"]
        flag = request.path_params["flag"]
        return JSONResponse(
            {"key": flag, "value": context["targetingKey"] == "ann", "reason": "STATIC", "variant": "x"}
        )

    service = Starlette(routes=[Route("/ofrep/v1/evaluate/flags/{flag}", evaluate, methods=["POST"])])
    with served(service) as address:
        (tmp_path / "remote.py").write_text(REMOTE.format(address=address))
        (tmp_path / "mainspring.toml").write_text(CONFIG.format(provider="remote:provider").replace("200ms", "10s"))
        Project.find()
        assert (ms.flag("mailer", by="ann"), ms.flag("mailer", by="bob", default=True)) == (True, False)
        assert ms.App.from_config().run("changed") == [True] * 4
        store = project.open_store()
        store.apply(ChangeFlag("mailer", FlagChange()))
        assert ms.flag("mailer", by="ann") is True
        store.apply(ChangeFlag("mailer", FlagChange(is_killed=True)))
        store.close()
        assert any(ms.flag("mailer", by="ann") is False for _ in polls(20))
    assert ms.flag("color", by="bob", default="red") == "red"
    sys.modules.pop("remote")


def test_question_without_a_default_fits_each_type(project: Project) -> None:
    """A shell script states none: `mainspring flag NAME`."""
    assert ms.flag("mailer", default=None) is True
    assert ms.flag("color", default=None) == "blue"
    assert ms.flag("limit", default=None) == 10
    assert ms.flag("plan", default=None) == {"a": [1]}
    assert ms.flag("nothing", default=None) is None


def test_function_that_returns_a_provider_is_called(project: Project, tmp_path: Path) -> None:
    """It may need to sign in first."""
    (tmp_path / "mainspring.toml").write_text(CONFIG.format(provider="vendor:make"))
    assert Project.find().flag_provider is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vendor:nothing", "cannot be imported"),
        ("missing:x", "cannot be imported"),
        ("vendor:flip", "cannot be imported"),
        ("sys:exc_info", "has no"),
    ],
)
def test_bad_provider_is_an_error_of_the_configuration(project: Project, tmp_path: Path, name: str, text: str) -> None:
    """It names the setting and what it must be."""
    (tmp_path / "mainspring.toml").write_text(CONFIG.format(provider=name))
    with pytest.raises(ConfigError, match=text) as caught:
        _ = Project.find().flag_provider
    assert "`flags.provider`" in caught.value.message
