"""Several versions of one name in a process: one plain at most, candidates beside it, and each found by its version."""

import sys

import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError, UnknownNameError
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.module_loader import build_module_name, load_module
from mainspring.engine.definitions.registry import Registry

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
TWO = """
import mainspring as ms

@ms.workflow(name="order", version=1)
async def order(run: ms.Run) -> None: ...

@ms.workflow(name="order", version=2, rollout=True)
async def new_order(run: ms.Run) -> None: ...
"""


def declare(*versions, plain=1) -> Registry:
    """Declare versions of `order` in this order; `plain` is no candidate."""
    with Registry() as registry:
        for version in versions:
            options = f"name='order', version={version}, rollout={version != plain}"
            text = f"import mainspring as ms\n@ms.task({options})\ndef order() -> None: ...\n"
            exec(compile(text, f"/srv/v{version}.py", "exec"), {"__name__": f"v{version}"})
    return registry


def versions_of(registry):
    return sorted((automation.version, automation.is_candidate) for automation in registry)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3)])
def test_registry_has_each_version(order):
    """In whatever order they are declared; the name is there once."""
    registry = declare(*order)
    assert versions_of(registry) == [(1, False), (2, True), (3, True)]
    assert registry.names == {"order"}
    assert "order" in registry
    assert not registry.problems


def test_version_is_found_where_it_is_here():
    """Else the plain one counts, else the newest candidate."""
    registry = declare(1, 2, 3)
    assert [registry.get("order", version).version for version in (None, 1, 2, 3, 9)] == [1, 1, 2, 3, 1]
    candidates = declare(2, 3)
    assert [candidates.get("order", version).version for version in (None, 1, 2)] == [3, 3, 2]
    assert candidates.find("other") is None
    assert "order" in candidates
    with pytest.raises(UnknownNameError, match="ordr"):
        candidates.get("ordr")


def test_version_in_force_is_read_only_for_a_name_with_a_candidate():
    """Most automations have none, and a start of them reads nothing more."""
    reads = []

    def find_in_force(name):
        reads.append(name)
        return 2

    single = declare(1)
    assert single.choose_version(single.get("order"), find_in_force).version == 1
    assert reads == []
    both = declare(1, 2)
    assert both.choose_version(both.get("order"), find_in_force).version == 2
    assert reads == ["order"]
    assert both.choose_version(both.get("order"), lambda _: None).version == 1
    assert declare(2, 3).choose_version(declare(2, 3).get("order"), lambda _: 1).version == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, False), (2, False)), ((1, False), (1, True)), ((2, True), (2, True)), ((2, True), (2, False))],
)
def test_second_declaration_of_a_version_or_of_the_plain_one_is_refused(first, second):
    """The message has both places, and the way to have two versions."""
    with Registry() as registry:

        @ms.task(name="order", version=first[0], rollout=first[1])
        def order() -> None: ...

        with pytest.raises(DefinitionError, match="two automations have the name 'order'") as refused:

            @ms.task(name="order", version=second[0], rollout=second[1])
            def other() -> None: ...

    assert "rollout=True" in refused.value.hint
    assert versions_of(registry) == [first]


def test_file_that_fails_keeps_no_version(tmp_path):
    """Neither the plain one nor the candidates stay."""
    (tmp_path / "a.py").write_text(TWO + "raise ValueError\n")
    registry = Registry.load(["a.py"], tmp_path)
    assert versions_of(registry) == []
    assert len(registry.problems) == 1


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("version=2, rollout=True", "version=3, rollout=True", [(1, False), (3, True)]),
        ("version=1)\nasync def order", "version=1, rollout=True)\nasync def order", [(1, True), (2, True)]),
        ("version=1)", "version=5)", [(2, True), (5, False)]),
    ],
)  # fmt: skip
def test_reloaded_file_has_only_its_new_versions(tmp_path, old, new, found):
    """An edit of version= or rollout= replaces the declaration at its place."""
    path = tmp_path / "work.py"
    path.write_text(TWO)
    with Registry() as registry:
        load_module(str(path))
        assert versions_of(registry) == [(1, False), (2, True)]
        path.write_text(TWO.replace(old, new))
        del sys.modules[build_module_name(path)]
        load_module(str(path))
    assert versions_of(registry) == found


def test_reloaded_file_may_exchange_the_plain_version(tmp_path):
    """The candidate becomes the plain version when the old one is removed, and the other way round."""
    path = tmp_path / "work.py"
    path.write_text(TWO)
    with Registry() as registry:
        load_module(str(path))
        text = TWO.replace("version=1)", "version=1, rollout=True)").replace("version=2, rollout=True", "version=2")
        path.write_text(text)
        del sys.modules[build_module_name(path)]
        load_module(str(path))
    assert versions_of(registry) == [(1, True), (2, False)]


def test_announcement_has_each_version_with_its_own_schedule():
    """The store decides which one counts."""
    with Registry() as registry:

        @ms.task(name="order", version=1, cron="0 3 * * *")
        def order() -> None: ...

        @ms.task(name="order", version=2, rollout=True, cron="0 4 * * *")
        def new_order() -> None: ...

    announcement = build_announcement(registry, NOW)
    assert [(row.version, row.is_candidate) for row in announcement.automations] == [(1, False), (2, True)]
    assert [(row.automation, row.version) for row in announcement.schedules] == [("order", 1), ("order", 2)]
    assert len({row.spec for row in announcement.schedules}) == 2


def test_fingerprint_of_a_deployment_has_each_version():
    """The same definitions under other version numbers are another deployment; their order counts not."""
    fingerprints = [build_announcement(declare(*order), NOW).fingerprint for order in ((1, 2), (2, 1), (1, 3), (1,))]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 3
