"""Loading: each file stands alone, one name is one automation, nothing is left out in silence."""

import os
import signal
import sys
import textwrap

import pytest

from mainspring.domain.errors import DefinitionError, OptionError, UnknownNameError
from mainspring.domain.text.escaping import is_plain_line
from mainspring.engine.attempts.isolation import load_callable
from mainspring.engine.definitions import module_loader
from mainspring.engine.definitions.decorators import script, step, task
from mainspring.engine.definitions.module_loader import build_module_name, load_module
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.known_secrets import KnownSecrets
from tests.secret_encodings import CANARY, leaks

HEAD = "from mainspring.engine.definitions.decorators import script, step, task, workflow\nfrom mainspring.engine.definitions import on\n"


FORKS = """
import os

pid = os.fork()
if not pid:
    os._exit(7)
CODE = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.fixture(autouse=True)
def _clean_imports():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("mainspring_file_", "shop_", "jobs_")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((HEAD if name.endswith(".py") else "") + textwrap.dedent(text))
        return path

    return write


GOOD = """
    script("backup", "./backup.sh", cron="@daily")

    @task
    def sync(account: str = "main") -> None: ...
"""


def test_file_that_is_executed_again_declares_only_its_new_text(write, tmp_path):
    """What it declared before, at other lines or wrongly, is gone."""
    path = write("a.py", "@task(timout='1s')\ndef old() -> None: ...\n@task\ndef removed() -> None: ...\n")
    assert len(Registry.load(["a.py"], tmp_path).problems) == 1
    sys.modules.pop(build_module_name(path))
    write("a.py", "\n\n\n@task\ndef new() -> None: ...\n")
    registry = Registry.load(["a.py"], tmp_path)
    assert (sorted(registry.automations), registry.problems) == (["new"], [])


def test_load_collects_files_globs_folders_and_toml(write, tmp_path):
    """Whatever names the files, each is loaded once, in a stable order."""
    write("a.py", GOOD)
    write("more/b.py", "@task\ndef other() -> None: ...\n")
    write("more/_private.py", "@task\ndef hidden() -> None: ...\n")
    write("more/scripts.toml", '[script.rotate]\ncmd = "./rotate.sh"\nevery = "1h"\n')
    for targets in (
        ["a.py", "more"],
        ["**/*.py", "more/*.toml"],
        [tmp_path / "a.py", "more/b.py", "more/scripts.toml", "a.py"],
    ):
        registry = Registry.load(targets, tmp_path)
        assert registry.problems == []
        assert sorted(registry.automations) == ["backup", "other", "rotate", "sync"]


def test_file_that_fails_is_a_problem_and_the_others_load(write, tmp_path):
    """Import errors of every kind name file, line and what to do; nothing of that file stays."""
    write("good.py", GOOD)
    bad = {
        "missing.py": ("import not_there_at_all", "Install"),
        "syntax.py": ("def (", "Fix"),
        "exits.py": ("@task\ndef half() -> None: ...\nraise SystemExit(3)", "__name__"),
        "ends.py": ("import os\n@task\ndef half() -> None: ...\nos._exit(0)", "__name__"),
        "interrupts.py": ("@task\ndef cut() -> None: ...\nraise KeyboardInterrupt", "__name__"),
        "other.py": ("class Odd(BaseException): ...\nraise Odd('x')", "Fix"),
        "raises.py": ("1 / 0", "Fix"),
        "sync_body.py": ("@workflow\ndef order(run): ...", "async def"),
        "generator.py": ("@step(timout='1s')\ndef x() -> None: ...", "timeout"),
        "option.py": ("@task(timout='1s')\ndef x() -> None: ...", "timeout"),
    }
    for name, (text, _) in bad.items():
        write(name, text)
    registry = Registry.load(["*.py"], tmp_path)
    assert sorted(registry.automations) == ["backup", "sync"]
    problems = {problem.where.rpartition("/")[2].partition(":")[0]: problem for problem in registry.problems}
    assert set(problems) == set(bad)
    for name, (_, reason) in bad.items():
        assert reason in problems[name].how, name
        assert ":" in problems[name].where, name


@pytest.mark.parametrize(
    ("raised", "displayed"),
    [
        ("f'cannot log in with {SECRET}'", "RuntimeError: cannot log in with"),
        ("'\\x1b[2J \\ud800 ' + 'x' * 100_000", "RuntimeError: \\x1b[2J"),
        ("Silent()", "RuntimeError: it cannot be printed"),
    ],
)
def test_problem_reports_no_secret_and_is_harmless(write, tmp_path, monkeypatch, raised, displayed):
    """What a file raises while it loads is stored and told to people: it is as clean as the failure of a run."""
    monkeypatch.setattr(module_loader, "KNOWN_SECRETS", hidden := KnownSecrets())
    hidden.add([CANARY])
    write(
        "a.py",
        f"""
        SECRET = {CANARY!r}
        class Silent:
            def __str__(self):
                raise ValueError
        raise RuntimeError({raised})
        """,
    )
    (problem,) = Registry.load(["a.py"], tmp_path).problems
    assert problem.what.startswith(f"failed to load: {displayed}")
    assert leaks(problem.what) == []
    assert is_plain_line(problem.what)
    assert len(problem.what) < 3_000


def test_file_that_forks_while_it_loads_may_end_the_fork(write, tmp_path):
    """Only the process that loads is kept; afterwards the function is the system's again."""
    real = os._exit
    write("forks.py", FORKS)
    registry = Registry.load(["forks.py"], tmp_path)
    assert registry.problems == []
    (module,) = (part for name, part in sys.modules.items() if name.startswith("mainspring_file_forks"))
    assert module.CODE == 7
    assert os._exit is real


def test_ctrl_c_while_loading_is_no_problem_of_the_file(write, tmp_path):
    """The person at the keyboard ends the program; the handler that was there is there again."""
    write("slow.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(10**9): pass")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever another test left
    try:
        with pytest.raises(KeyboardInterrupt):
            Registry.load(["slow.py"], tmp_path)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_signal_handler_of_a_file_stays(write, tmp_path):
    """Loading puts its own back only where the user's code set none."""
    before = signal.getsignal(signal.SIGINT)
    write("handles.py", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)")
    try:
        assert Registry.load(["handles.py"], tmp_path).problems == []
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_target_that_names_nothing_is_a_problem(tmp_path):
    """A path, pattern or module that is not there is said, not skipped."""
    registry = Registry.load(["gone.py", "none/*.py", "no_such_module_at_all"], tmp_path)
    assert len(registry.problems) == 3
    assert all(problem.how for problem in registry.problems)


def test_two_automations_of_one_name_name_both_places(write, tmp_path):
    """Across files and inside one: the first stays, the second is a problem."""
    write("a.py", GOOD)
    write("b.py", "@task\ndef sync() -> None: ...\n@task\ndef twice() -> None: ...\n@task\ndef twice() -> None: ...\n")
    write("scripts.toml", '[script.backup]\ncmd = "./x"\n')
    registry = Registry.load(["a.py", "b.py", "scripts.toml"], tmp_path)
    assert sorted(registry.automations) == ["backup", "sync", "twice"]
    assert registry.get("sync").definition.file.endswith("a.py")
    assert [problem.what.split("'")[1] for problem in registry.problems] == ["sync", "twice", "backup"]
    assert "a.py:" in registry.problems[0].what
    assert "b.py:" in registry.problems[0].what


def test_two_automations_of_one_name_raise_outside_loading():
    """In a program of one's own the second declaration is an error."""
    with Registry() as registry:
        script("backup", "./a")
        with pytest.raises(DefinitionError, match="two automations"):
            script("backup", "./b")
        assert registry.get("backup").definition.command == ["./a"]


def test_second_registry_finds_what_the_first_import_declared(write, tmp_path):
    """A module is imported once; each registry that loads it has all of it, scripts too."""
    write("a.py", GOOD)
    write("shop_pkg/__init__.py", "")
    write("shop_pkg/part.py", 'from . import names\nscript("part", "./part.sh")\n')
    write("shop_pkg/names.py", "")
    for _ in range(2):
        registry = Registry.load(["a.py", "shop_pkg/part.py"], tmp_path)
        assert registry.problems == []
        assert sorted(registry.automations) == ["backup", "part", "sync"]
    assert registry.get("sync").definition.module == str(tmp_path / "a.py")
    assert sorted(Registry.load(["shop_pkg.part"], tmp_path).automations) == ["part"]


def test_file_module_has_a_stable_name_and_is_never_main(write):
    """The name follows from the path alone, and loading twice gives the same module."""
    path = write("a-b.py", GOOD)
    with Registry():
        module = load_module(str(path))
    assert module.__name__ == build_module_name(path.resolve())
    assert module.__name__.startswith("mainspring_file_a_b_")
    assert load_module(str(path)) is module


def test_neighbour_files_can_be_imported(write, tmp_path):
    """A file imports what lies beside it, as it would when run by hand."""
    write("deep/jobs_words.py", "WORD = 'x'\n")
    write("deep/a.py", "import jobs_words\n" + textwrap.dedent(GOOD))
    assert Registry.load(["deep/a.py"], tmp_path).problems == []


def test_schedule_on_a_function_that_is_no_automation_is_a_problem(write, tmp_path):
    """A forgotten @task loses no schedule in silence."""
    write("a.py", "@on.cron('@daily')\ndef sync() -> None: ...\n")
    registry = Registry.load(["a.py"], tmp_path)
    assert [problem.how for problem in registry.problems] == ["Add @ms.task or @ms.workflow."]
    assert registry.problems[0].where == f"{tmp_path / 'a.py'}:3"


def test_object_that_cannot_be_inspected_stops_no_file(write, tmp_path):
    """A lazy proxy of a user's library may raise at every question."""
    write(
        "a.py",
        "class Lazy:\n    def __getattribute__(self, name): raise RuntimeError(name)\nlazy = Lazy()\n"
        + textwrap.dedent(GOOD),
    )
    registry = Registry.load(["a.py"], tmp_path)
    assert registry.problems == []
    assert sorted(registry.automations) == ["backup", "sync"]


def test_definition_that_cannot_be_completed_is_omitted(write, tmp_path):
    """A title that names no argument is a problem of that automation only."""
    write("a.py", GOOD + '\n    @task(title="{acount}")\n    def bad(account: str) -> None: ...\n')
    registry = Registry.load(["a.py"], tmp_path)
    assert sorted(registry.automations) == ["backup", "sync"]
    assert "acount" in registry.problems[0].what
    assert "account" in registry.problems[0].how


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@task(timout='1s')\ndef bad() -> None: ...", "timout"),
        ("@task(cron='99 * * * *')\ndef bad() -> None: ...", "99"),
        ("@on.cron('99 * * * *')\n@task\ndef bad() -> None: ...", "99"),
        ("@task\n@on.cron('99 * * * *')\ndef bad() -> None: ...", "99"),
        ("@on.every('1h')\n@on.every('1ms')\n@on.every('2h')\n@task\ndef bad() -> None: ...", "1ms"),
        ("@on.event('')\n@task\ndef bad() -> None: ...", ""),
        ("@workflow\ndef bad(run) -> None: ...", "async"),
        ("@workflow\nasync def bad() -> None: ...", "first parameter"),
        ("script('bad', '')", ""),
        ("script('bad', './x.sh', timout='1s')", "timout"),
        ("@task(title='{a.b}')\ndef bad(a: int) -> None: ...", "single value"),
        ("@task\ndef bad(): yield 1", "generator"),
        ("class Jobs:\n    @task\n    def bad(self): ...", "method"),
        ("@task\nclass bad: ...", "needs a function"),
    ],
)
def test_bad_declaration_keeps_no_other_of_its_module_out(write, tmp_path, text, sentence):
    """Those above and below it load; its own problem has its name and place, once, also when the file is loaded again."""
    write("a.py", "@task\ndef first() -> None: ...\n" + text + "\n" + textwrap.dedent(GOOD))
    for _ in range(2):
        registry = Registry.load(["a.py"], tmp_path)
        assert sorted(registry.automations) == ["backup", "first", "sync"]
        (problem,) = registry.problems
        assert problem.automation == "bad"
        assert "a.py:" in problem.where
        assert sentence in problem.what
        assert problem.how


def test_broken_declaration_raises_its_error_where_it_is_used(write, tmp_path):
    """A module may continue to use it; a run that needs it gets the error of the declaration."""
    path = write("a.py", "@task(timout='1s')\ndef bad() -> None: ...\n")
    Registry.load(["a.py"], tmp_path)
    with pytest.raises(UnknownNameError, match="timout"):
        _ = load_module(str(path)).bad.definition


BROKEN_STEP = """
@step(timeout='soon')
def charge() -> int: return 1
@step
def mail() -> int: return 2
def helper(run): return run.step(charge)
@workflow
async def order(run): return await helper(run)
@workflow
async def other(run): return await run.step(mail)
@task
def refund(): return charge()
"""


def test_bad_step_keeps_out_only_the_automations_that_name_it(write, tmp_path):
    """They would fail half-way, or run without its options; their last good definitions stay in force. The others load, each time."""
    path = write("a.py", BROKEN_STEP)
    for _ in range(2):
        registry = Registry.load(["a.py"], tmp_path)
        assert sorted(registry.automations) == ["other"]
        problem, of_task = sorted(registry.problems, key=lambda problem: str(problem.automation))
        assert (problem.automation, of_task.automation) == ("order", "refund")
        assert "task 'refund' at " in of_task.what
        assert "'soon' is not a span of time\nin step 'charge' at " in problem.what
        assert problem.what.endswith("uses it")
        assert (
            problem.where == f"{path}:{path.read_text().splitlines().index('@step(timeout=' + repr('soon') + ')') + 1}"
        )


def test_bad_step_that_no_workflow_requests_is_a_problem_of_its_own(write, tmp_path):
    """Nothing else is left out for it."""
    write("a.py", "@step(timout='1s')\ndef charge() -> int: return 1\n" + textwrap.dedent(GOOD))
    for _ in range(2):
        registry = Registry.load(["a.py"], tmp_path)
        assert sorted(registry.automations) == ["backup", "sync"]
        (problem,) = registry.problems
        assert "unknown option of step 'charge'" in problem.what


def test_bad_declaration_that_a_workflow_requests_keeps_it_out(write, tmp_path):
    """As a step or a child, of its own module or of one that it imports."""
    write("shop_steps.py", "@task(timout='1s')\ndef bad() -> None: ...\n")
    write(
        "a.py",
        "import shop_steps\n@workflow\nasync def w(run): await run.child(shop_steps.bad)\n@workflow\nasync def v(run): ...\n",
    )
    registry = Registry.load(["a.py"], tmp_path)
    assert sorted(registry.automations) == ["v"]
    assert [problem.automation for problem in registry.problems] == ["bad", "w"]


def test_bad_declaration_keeps_no_function_of_its_module_from_a_child_process(write, tmp_path):
    """A child imports the module again: it must load there as it did in the worker."""
    path = write("a.py", "@task(timout='1s')\ndef bad() -> int: return 1\n@task\ndef good() -> int: return bad()\n")
    assert load_callable(f"a_module_of_a_child@{path}:good")() == 1
    assert sys.modules.pop("a_module_of_a_child").bad.error is not None


def test_bad_declaration_raises_where_no_file_is_loaded():
    """At once, to everyone who writes it."""
    with Registry(), pytest.raises(UnknownNameError, match="timout"):

        @task(timout="1s")
        def bad() -> None: ...

    with pytest.raises(OptionError, match="'soon' is not a span"):

        @step(timeout="soon")
        def bad_step() -> None: ...


def _declare_in(registry, text, file="<stdin>"):
    names = {"__name__": "__main__", "task": task, "script": script}
    with registry:
        exec(compile(text, file, "exec"), names)
    return names


@pytest.mark.parametrize("file", ["<stdin>", "<ipython-input-3-ab12>", "/tmp/ipykernel_1/2.py"])
def test_redefinition_in_a_notebook_or_interpreter_replaces(file):
    """A cell is run again, edited or not; the last declaration counts, of a script as well."""
    registry = Registry()
    _declare_in(registry, "@task\ndef sync() -> int: return 1\nscript('backup', './a.sh')", file)
    _declare_in(registry, "\n\n@task\ndef sync() -> int: return 2\nscript('backup', './b.sh')", file)
    assert registry.get("sync").fn() == 2
    assert registry.get("backup").definition.command == ["./b.sh"]
    assert registry.problems == []


def test_second_declaration_in_a_file_is_still_refused(write, tmp_path):
    """One name, one automation, where there is a file to look at."""
    with Registry(), pytest.raises(DefinitionError, match="two automations have the name 'twice'"):
        for name in ("a.py", "b.py"):
            load_module(str(write(name, "@task\ndef twice() -> None: ...\n")))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@task(was='sync')\ndef sync() -> None: ...", "has its own name in was="),
        ("@task(was='b')\ndef a() -> None: ...\n@task\ndef b() -> None: ...", "still exists at"),
        ("@task(was='o')\ndef a() -> None: ...\n@task(was='o')\ndef b() -> None: ...", "both have"),
    ],
)
def test_rename_that_cannot_be_is_a_problem(write, tmp_path, text, sentence):
    """`was` may name only names that are free and claimed once."""
    write("a.py", text)
    registry = Registry.load(["a.py"], tmp_path)
    assert [sentence in problem.what for problem in registry.problems] == [True]


def test_unknown_automation_displays_the_nearest():
    """A misspelt name is answered with the right one."""
    with Registry() as registry:

        @task
        def nightly_sync() -> None: ...

        with pytest.raises(UnknownNameError) as refused:
            registry.get("nightly_snyc")
    assert refused.value.nearest == "nightly_sync"


@pytest.mark.parametrize(
    "declared",
    [
        "@task(every='2s')\ndef counted(a: int, b: int = 2) -> int: ...",
        "@on.cron('0 3 * * *')\n@task\ndef counted(*, a: int) -> int: ...",
        "@workflow(cron='0 3 * * *')\nasync def counted(run, a: int) -> int: ...",
    ],
)
def test_schedule_that_can_give_no_argument_is_a_problem(write, tmp_path, declared):
    """A schedule has no arguments to give: what needs one would never start, and no one would hear of it."""
    write("a.py", f"{declared}\n@task(every='2s')\ndef fine(a: int = 1, *more: int, **rest: int) -> None: ...\n")
    registry = Registry.load(["a.py"], tmp_path)
    assert list(registry.automations) == ["fine"]
    (problem,) = registry.problems
    assert problem.what == "'counted' has a schedule, but its parameter 'a' has no default"
    assert "a default" in problem.how
    assert problem.where.startswith(f"{tmp_path / 'a.py'}:")
