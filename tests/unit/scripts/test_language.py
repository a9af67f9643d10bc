"""The lint of names finds what it is for, and leaves good names and public names alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

import language
import ratchet

LISTS = language.read_lists()
SURFACE = "option gone\nkey monitors.broker_away.away\nschema Alert: told_at id\nRunState queued\npublic Verdict\n"


@pytest.fixture
def tree(tmp_path):
    """A project with the page of rules, a few public names and one clean module."""
    page = tmp_path / language.PAGE
    page.parent.mkdir(parents=True)
    shutil.copy(language.ROOT / language.PAGE, page)
    surface = tmp_path / language.SURFACE
    surface.parent.mkdir(parents=True)
    surface.write_text(SURFACE)
    write(tmp_path, "src/mainspring/__init__.py", '"""The package."""\n')
    write(tmp_path, "src/mainspring/cli/__init__.py", '"""The command line."""\n')
    write(
        tmp_path,
        "src/mainspring/cli/clean.py",
        '"""Clean code."""\n\n\ndef read(runs):\n    return [run for run in runs]\n',
    )
    return tmp_path


def write(root, path, text):
    """Write a file of the project."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def broken(root):
    """The rules that are broken, with the names."""
    return [(finding.rule, finding.name) for finding in language.findings(root)]


def test_clean_project_breaks_no_rule(tree):
    """Names of the field, one module a name, short files."""
    assert broken(tree) == []


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        ("told_rows = 1", ["told"]),
        ("class QueueDesk: ...", ["desk"]),
        ("def read(nobody): ...", ["nobody"]),
        ("row.looked_at = 1", ["looked"]),
        ("class Row:\n    asked: int", ["asked"]),
        ("try: ...\nexcept OSError as trouble: ...", ["trouble"]),
        ("match x:\n    case [*others]: ...", ["others"]),
        ("for one in rows: ...", ["for one in", "one"]),
        ("found = [one for one in rows]", ["for one in", "one"]),
        ("f = lambda one: one", ["one"]),
        ("import json as told", ["module alias", "told"]),
        ("def what_failed(): ...", ["what"]),
    ],
)
def test_dialect_is_found_wherever_a_name_is_bound(tree, code, rules):
    """As a part of a snake_case or CamelCase name of a class, function, parameter, variable, field or alias."""
    write(tree, "src/mainspring/cli/planted.py", f'"""Planted code."""\n{code}\n')
    assert sorted(rule for rule, _ in broken(tree)) == rules


@pytest.mark.parametrize(
    "code",
    [
        "retold = 1",  # a part is a whole word
        "print(told)",  # a use is counted where it is bound
        "gone = 1",  # an option that users type
        "BROKER_AWAY = 1",  # a kind of incident, as a constant
        "class Alert:\n    told_at: int",  # a field of the API
        "class Verdict: ...",
        "one_run = 1",
        "def show_runs(): ...",
    ],
)
def test_public_names_and_whole_words_are_ignored(tree, code):
    """What users type keeps its name, and a word within a word is none."""
    write(tree, "src/mainspring/cli/planted.py", f'"""Planted code."""\n{code}\n')
    assert broken(tree) == []


def test_name_of_a_test_is_a_sentence(tree):
    """It may say what, who and takes, and no dialect."""
    write(tree, "tests/unit/test_x.py", "def test_what_takes_long_is_shown(): ...\ndef what(): ...\n")
    assert sorted(broken(tree)) == [("shown", "test_what_takes_long_is_shown"), ("what", "what")]


def test_statements_are_searched_without_comments_and_values(tree):
    """Each identifier counts once a file, with its line."""
    write(tree, "src/mainspring/store/runs.sql", "-- told\nselect asked, asked, 'shown'\nfrom desks\n")
    found = language.findings(tree)
    assert [(finding.rule, finding.line) for finding in found] == [("asked", 2), ("desk" + "s", 3)]


def test_names_of_a_template(tree):
    """Values, loops, macros with their parameters, and imports; not what it calls or writes."""
    page = """{% import "told.html" as told %}{% from "x.html" import asked %}
{% set shown = look(1) %}{% for desk, run in desks %}{{ said }}{% endfor %}
{% macro door(gate, open="bell") %}{% endmacro %}{% for one in runs %}{% endfor %}
"""
    write(tree, "src/mainspring/web/page.html", page)
    found = [(finding.rule, finding.line) for finding in language.findings(tree)]
    assert found == [("told", 1), ("shown", 2), ("desk", 2), ("door", 3), ("gate", 3), ("one", 3), ("for one in", 3)]


def test_paths_are_names(tree):
    """A module and a folder count once."""
    write(tree, "src/mainspring/desk/__init__.py", '"""X."""\n')
    write(tree, "src/mainspring/desk/told.py", '"""Told."""\n')
    assert broken(tree) == [("desk", "desk"), ("told", "told.py")]


def test_folder_that_a_reader_cannot_grasp(tree):
    """More than 30 files of Python or SQL, counted for their layer."""
    for number in range(31):
        write(tree, f"src/mainspring/store/q{number}.sql", "select 1")
    (finding,) = language.findings(tree)
    assert (finding.rule, finding.name, finding.layer) == ("large folder", "31 files", "src/mainspring/store")


def test_folder_of_one_protocol_may_be_large(tree):
    """If the page lists it."""
    for number in range(40):
        write(tree, f"src/mainspring/domain/monitors/m{number}.sql", "select 1")
    assert broken(tree) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("from mainspring.store import runs as stored_runs", 1),
        ("import os.path as p", 1),
        ("from os import path as p", 1),
        ("from json import loads as read", 0),
        ("import mainspring as ms", 0),
        ("from mainspring.store.runs import Row as StoredRow", 0),
    ],
)
def test_alias_that_renames_a_module(tree, line, count):
    """Of ours or of the standard library; what a module defines may be renamed."""
    write(tree, "src/mainspring/store/runs.py", '"""Runs."""\n')
    write(tree, "src/mainspring/cli/planted.py", f'"""Planted."""\n{line}\n')
    assert [rule for rule, _ in broken(tree)] == ["module alias"] * count


@pytest.mark.parametrize(
    ("stem", "docstring", "lacking"),
    [
        ("retry_policy", "Policies of retrying.", ""),
        ("queues", "One queue.", ""),
        ("verification", "Verify a signature.", ""),
        ("scheduler", "Schedules.", ""),
        ("slack", "Messages to a chat.", "slack"),
        ("run_rows", "Rows of a list.", "run"),
    ],
)
def test_docstring_has_the_words_of_the_file_name(tree, stem, docstring, lacking):
    """In any form."""
    write(tree, f"src/mainspring/cli/{stem}.py", f'"""{docstring}"""\n')
    names = [name for rule, name in broken(tree) if rule == "docstring"]
    assert names == ([f"no {lacking} in the docstring of {stem}"] if lacking else [])


def test_duplicate_class_name_is_found(tree):
    """A private one may."""
    for stem in ("first", "second"):
        write(tree, f"src/mainspring/cli/{stem}.py", f'"""{stem}."""\n\n\nclass Row: ...\n\n\nclass _Row: ...\n')
    assert broken(tree) == [("class name twice", "Row (also src/mainspring/cli/first.py:4)")]


def test_cycle_of_packages_counts_imports_of_functions_and_checkers(tree):
    """Two packages of one layer that know each other, however late."""
    for package, other_package in (("runs", "values"), ("values", "runs")):
        write(tree, f"src/mainspring/cli/{package}/__init__.py", '"""X."""\n')
        write(
            tree,
            f"src/mainspring/cli/{package}/rows.py",
            f'"""Rows."""\n\n\ndef read():\n    from mainspring.cli.{other_package} import rows\n',
        )
    assert broken(tree) == [("package cycle", "runs in runs, values"), ("package cycle", "values in runs, values")]


def test_counts_of_layers_that_rose():
    """By layer and word; what fell or is new in no layer is fine."""
    before = {"src/mainspring/cli": {"told": 2, "desk": 1}}
    now = {"src/mainspring/cli": {"told": 3, "desk": 0}, "tests/unit": {"said": 1}}
    assert ratchet.risen(now, before) == [("src/mainspring/cli", "told"), ("tests/unit", "said")]


def test_report_names_word_place_and_term():
    """Of a word that rose, only the places on added lines, if git knows them."""
    found = [ratchet.Finding("told", "src/mainspring/cli/a.py", line, "told") for line in (3, 9)]
    text = ratchet.report(found, [("src/mainspring/cli", "told")], LISTS.terms(), {"src/mainspring/cli/a.py": {9}})
    assert "src/mainspring/cli/a.py:9: told" in text
    assert "a.py:3" not in text
    assert "notified" in text
    assert "a.py:3" in ratchet.report(found, [("src/mainspring/cli", "told")], LISTS.terms(), None)


def test_added_lines_are_those_since_the_counts(tree):
    """Committed or not, and all of a new file."""

    def git(*words):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.hooksPath=/nowhere")
        subprocess.run(["git", "-C", tree, *identity, *words], check=True, capture_output=True)

    git("init", "-q")
    write(tree, "counts.toml", "")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    with (tree / "src/mainspring/cli/clean.py").open("a") as file:
        file.write("\n\nplanted = 1\n")
    write(tree, "src/mainspring/cli/new.py", "x = 1\n")
    added = ratchet.lines_added(Path("counts.toml"), tree)
    assert added is not None
    assert added["src/mainspring/cli/clean.py"] == {6, 7, 8}
    assert 1 in added["src/mainspring/cli/new.py"]


def test_written_counts_are_read_again_and_may_not_rise(tmp_path, capsys):
    """Unless they are accepted."""
    path = tmp_path / "counts.toml"
    finding = ratchet.Finding("told", "src/mainspring/cli/a.py", 1, "told")
    assert ratchet.write([finding], path, "language.py", accept=False) == 0
    assert ratchet.read_counts(Path("counts.toml"), tmp_path) == {"src/mainspring/cli": {"told": 1}}
    assert ratchet.write([finding] * 2, path, "language.py", accept=False) == 1
    assert "told" in capsys.readouterr().out
    assert ratchet.write([finding] * 2, path, "language.py", accept=True) == 0
    assert ratchet.read_counts(Path("counts.toml"), tmp_path)["src/mainspring/cli"]["told"] == 2
