"""Middleware as a declaration: loaded with its file, in order, once, and dropped with a file that fails."""

import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError
from mainspring.engine.definitions.registry import Registry

CODE = """
import mainspring as ms

@ms.middleware
class First:
    async def around_step(self, step, proceed):
        return await proceed()

@ms.middleware
class Second:
    async def around_run(self, run, proceed):
        return await proceed()

    async def around_step(self, step, proceed):
        return await proceed()

@ms.task
def leaf() -> int:
    return 1
"""


def names(registry: Registry) -> tuple[list[str], list[str]]:
    steps, runs = registry.step_middleware, registry.run_middleware
    return [known.kind.__name__ for known in steps], [known.kind.__name__ for known in runs]


def test_middleware_of_a_file_is_loaded_in_order(tmp_path):
    """Each registry that loads the file has it once, also if the file is loaded again."""
    (tmp_path / "jobs.py").write_text(CODE)
    for _ in range(2):
        registry = Registry.load(["jobs.py"], tmp_path)
        assert not registry.problems
        assert names(registry) == (["First", "Second"], ["Second"])
    assert all(known.where.startswith(str(tmp_path / "jobs.py")) for known in registry.step_middleware)
    assert registry.step_middleware[1].import_name.endswith("jobs.py:Second")


FACTORY = """
import mainspring as ms

def limited(limit):
    @ms.middleware
    class Limited:
        async def around_step(self, step, proceed):
            return await proceed()

    return Limited

limited(1)
"""


def test_middleware_that_one_line_declares_twice_is_refused(tmp_path):
    """The second call of its factory would take the place of the first. To load the file again declares it once more, not twice."""
    (tmp_path / "jobs.py").write_text(FACTORY)
    for _ in range(2):
        registry = Registry.load(["jobs.py"], tmp_path)
        assert (registry.problems, names(registry)) == ([], (["Limited"], []))
    (tmp_path / "more_jobs.py").write_text(f"{FACTORY}limited(2)\n")
    (problem,) = Registry.load(["more_jobs.py"], tmp_path).problems
    assert "middleware 'limited.<locals>.Limited' is declared twice by one line" in problem.what
    app = ms.App(tmp_path / "state.db", registry=Registry())

    def declare() -> None:
        @app.middleware
        class Own:
            async def around_run(self, run, proceed):
                return await proceed()

    declare()
    with pytest.raises(DefinitionError, match="is declared twice by one line"):
        declare()


def test_middleware_of_an_imported_module_counts_for_each_registry(tmp_path, monkeypatch):
    """The module is executed once; a later registry finds the class by its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "company_rules.py").write_text(CODE)
    (tmp_path / "jobs.py").write_text("from company_rules import Second\n")
    assert names(Registry.load(["jobs.py"], tmp_path))[1] == ["Second"]
    assert names(Registry.load(["jobs.py"], tmp_path)) == (["Second"], ["Second"])


def test_file_that_fails_leaves_no_middleware(tmp_path):
    """Neither its automations nor its middleware count; the problem names the file."""
    (tmp_path / "good.py").write_text(CODE)
    (tmp_path / "bad.py").write_text(
        CODE.replace("First", "Third").replace("leaf", "root") + "\nraise ValueError('broken')\n"
    )
    registry = Registry.load(["good.py", "bad.py"], tmp_path)
    assert names(registry) == (["First", "Second"], ["Second"])
    assert "broken" in registry.problems[0].what


GUARD = """
import mainspring as ms
{broken}
@ms.middleware
class Guard:
    async def around_step(self, step{more}):
        return await proceed()
"""


@pytest.mark.parametrize(
    "guard",
    [
        GUARD.format(broken="raise ValueError('broken')", more=", proceed"),
        GUARD.format(broken="", more=""),
        GUARD.format(broken="def (", more=", proceed"),
    ],
    ids=["raises", "unusable", "syntax"],
)
@pytest.mark.parametrize("is_imported", [False, True])
def test_nothing_runs_without_the_middleware_of_another_file(tmp_path, monkeypatch, guard, is_imported):
    """A tenant check that is left out silently would be worse than automations that do not load. Each names the file."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "jobs.py").write_text("import mainspring as ms\n\n@ms.task\ndef leaf() -> int:\n    return 1\n")
    name = f"guard_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(guard)
    (tmp_path / "all.py").write_text(f"import {name}\n")
    file = "all.py" if is_imported else f"{name}.py"
    registry = Registry.load(["jobs.py", file], tmp_path)
    assert not registry.names
    first, second = registry.problems
    assert first.target.endswith(file)
    assert (second.automation, f"{file} declares middleware and does not load" in second.what) == ("leaf", True)
    web = 'app = None\nraise ValueError("broken")\n@app.middleware("http")\nasync def add_header(request, call): ...\n'
    (tmp_path / file).write_text(web)  # that of a web framework
    assert Registry.load(["jobs.py", file], tmp_path).names == {"leaf"}


def test_file_with_unusable_middleware_does_not_load(tmp_path):
    """A tenant check that is left out silently would be worse than a worker without the file."""
    first, second, third = CODE.partition("@ms.middleware\nclass Second")
    code = first.partition("    async")[0] + "    pass\n\n" + second + third
    (tmp_path / "jobs.py").write_text(code)
    registry = Registry.load(["jobs.py"], tmp_path)
    assert not registry.names
    assert names(registry) == ([], [])
    assert "neither around_run nor around_step" in registry.problems[0].what


def test_class_is_declared_once_and_its_subclass_too():
    """The same class again changes nothing; each process makes one instance of a class."""
    made: list[object] = []

    class Counts:
        def __init__(self) -> None:
            made.append(self)

        async def around_step(self, step, proceed):
            return await proceed()

    class Sub(Counts): ...

    with Registry() as registry:
        ms.middleware(Counts)
        ms.middleware(Counts)
        ms.middleware(Sub)
    assert names(registry)[0] == ["Counts", "Sub"]
    assert len(made) == 2
    assert isinstance(registry.step_middleware[1].instance, Sub)


def test_class_that_needs_arguments_is_refused():
    """The error is that of the class itself."""

    class Needs:
        def __init__(self, dsn: str) -> None: ...

        async def around_step(self, step, proceed):
            return await proceed()

    with Registry(), pytest.raises(DefinitionError, match="without arguments") as raised:
        ms.middleware(Needs)
    assert "environment" in raised.value.hint
