"""Watched folders as they are declared: what is read, what is refused, which names match."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.watched_folder import WatchedFolder


def test_parse_reads_every_option():
    """Spans become milliseconds, sizes bytes, and the declaration crosses JSON with its tag."""
    files = WatchedFolder.parse(
        "inbox",
        pattern="*.csv",
        settle=timedelta(seconds=1),
        every="1m",
        after_success="done",
        after_failure="./keep",
        max_size="1GiB",
        ignore=["*.bak"],
    )
    assert (files.settle, files.every, files.max_size, files.ignore) == (1_000, 60_000, 1024**3, ("*.bak",))
    data = msgspec.json.encode(files)
    assert b'"type":"files"' in data
    assert msgspec.json.decode(data, type=WatchedFolder) == files


def test_defaults_leave_files_where_they_are():
    """Nothing is moved or deleted unless someone says so."""
    files = WatchedFolder.parse("/in")
    assert (files.after_success, files.after_failure, files.settle, files.every) == ("keep", "keep", 2_000, 10_000)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"folder": ""}, "folder"),
        ({"folder": "a\0b"}, "folder"),
        ({"folder": 5}, "folder"),
        ({"folder": "~/inbox"}, "whole path"),
        ({"folder": "\udce9"}, "UTF-8"),
        ({"folder": "x" * 5000}, "4095"),
        ({"after_failure": "delete"}, "failed"),
        ({"after_success": "."}, "keep"),
        ({"after_failure": "./"}, "keep"),
        ({"after_success": ""}, "after_success"),
        ({"folder": "in/*.csv"}, "is a pattern, and not the path of one folder"),
        ({"pattern": ""}, "pattern"),
        ({"pattern": "/a/*.csv"}, "below the folder"),
        ({"pattern": "../*.csv"}, "below the folder"),
        ({"pattern": "a/*.csv", "recursive": False}, "recursive"),
        ({"ignore": ["a/b"]}, "ignore"),
        ({"settle": "-1s"}, "span"),
        ({"settle": "10us"}, "settle"),
        ({"every": "10ms"}, "100"),
        ({"max_size": "big"}, "size"),
    ],
)
def test_parse_refuses_with_a_hint(options, word):
    """The error names the option or what to write instead."""
    with pytest.raises(OptionError) as caught:
        WatchedFolder.parse(**{"folder": "inbox", **options})
    assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("folder", "fix"),
    [
        ("in/*.csv", "ms.on.files('in', pattern='*.csv')"),
        ("*.csv", "ms.on.files('.', pattern='*.csv')"),
        ("/*.csv", "ms.on.files('/', pattern='*.csv')"),
        ("/srv/*/in/*.csv", "ms.on.files('/srv', pattern='*/in/*.csv')"),
    ],
)
def test_pattern_in_the_place_of_a_folder_is_taken_apart(folder, fix):
    """The hint is the line to write, in the user's own names."""
    with pytest.raises(OptionError) as caught:
        WatchedFolder.parse(folder)
    assert fix in (caught.value.hint or "")


def test_folder_counts_from_the_project():
    """A relative folder gets the base, an absolute one stays."""
    assert WatchedFolder.parse("inbox").counted_from("/srv/shop").folder == "/srv/shop/inbox"
    assert WatchedFolder.parse("/in").counted_from("/srv/shop").folder == "/in"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "line\nend", True),
        ("*.csv", "a.csv", True),
        ("*.csv", "a.CSV", False),
        ("*.csv", "deep/er/a.csv", True),
        ("?.csv", "\udce9.csv", True),
        ("[ab].csv", "a.csv", True),
        ("[!ab].csv", "a.csv", False),
        ("in/*.csv", "in/a.csv", True),
        ("in/*.csv", "in/deep/a.csv", False),
        ("in/*.csv", "a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("a/**/b/*", "a/b/c", True),
        ("a/**/b/*", "a/x/y/b/c", True),
        ("a/**/b/*", "a/x/y/c", False),
        ("a/**", "a/x/y", True),
    ],
)
def test_pattern_matches_names_or_paths(pattern, path, matches):
    """Without a slash the name counts; with one the whole path below the folder, part by part."""
    assert WatchedFolder.parse("in", pattern=pattern).matches(path.split("/")) is matches


@pytest.mark.parametrize("pattern", ["*.csv", "in/*.csv"])
def test_slash_in_the_pattern_makes_it_recursive(pattern):
    """What is said twice is said once."""
    assert WatchedFolder.parse("in", pattern=pattern).recursive is ("/" in pattern)


@pytest.mark.parametrize(
    "name", [".hidden", "a.csv.part", "a.tmp", "a.csv~", "x.filepart", "y.crdownload", ".a.csv.Xy12"]
)
def test_hidden_and_half_written_names_are_ignored(name):
    """What rsync, browsers, editors and WinSCP call a file that is not whole yet; an empty list takes all."""
    assert WatchedFolder.parse("in").ignores(name)
    assert not WatchedFolder.parse("in", ignore=[]).ignores(name)


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=6), st.data())
def test_pattern_made_from_a_path_matches_it(parts, data):
    """Any part may become a star, any run of folders two stars."""
    globs = []
    for part in parts[:-1]:
        globs += data.draw(st.sampled_from([[part], ["*"], ["**"], ["**", part], ["**", "**"]]))
    assert WatchedFolder.parse("in", pattern="/".join([*globs, parts[-1]])).matches(parts)
