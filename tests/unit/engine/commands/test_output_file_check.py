"""Patterns of paths: what they match is what glob matches, without what lies behind links."""

import glob

import pytest

from mainspring.engine.commands import output_file_check
from mainspring.engine.commands.output_file_check import PatternTooWideError, find_paths


@pytest.fixture
def tree(tmp_path):
    for name in ("a.csv", "x/b.csv", "x/y/c.csv", "x/y/z/d.txt", ".hidden/e.csv", "x/.f.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("filled")
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    ["*.csv", "**/*.csv", "x/**/*.csv", "**/y/**/*.txt", "x/**/**/c.csv", "**/x/*/c.csv", "nothing/**/*", "*/**/c.*"],
)
@pytest.mark.parametrize("is_absolute", [False, True])
def test_without_links_it_is_glob(tree, pattern, is_absolute):
    """Wherever the pattern begins."""
    if is_absolute:
        pattern = f"{tree}/{pattern}"
    cwd = None if is_absolute else str(tree)
    assert sorted(find_paths(pattern, cwd)) == sorted(set(glob.glob(pattern, root_dir=cwd, recursive=True)))


@pytest.mark.parametrize("pattern", ["**/", "x/**/", "**/y/**/"])
def test_slash_at_the_end_matches_folders(tree, pattern):
    """Files alone do not meet it, as in glob; the folder in which it begins does not either."""
    found, prefix = (
        {path.rstrip("/") for path in glob.glob(text, root_dir=tree, recursive=True)}
        for text in (pattern, pattern.removesuffix("**/"))
    )
    expected = found - prefix
    assert set(find_paths(pattern, str(tree))) == expected


def test_links_to_folders_are_not_followed(tree):
    """What they are called by name is; a link to itself ends nothing."""
    (tree / "loop").symlink_to(tree)
    assert sorted(find_paths("**/*.csv", str(tree))) == ["a.csv", "x/b.csv", "x/y/c.csv"]
    assert "loop" in find_paths("**", str(tree))
    assert find_paths("loop/a.csv", str(tree)) == ["loop/a.csv"]


def test_pattern_that_is_too_wide_is_refused(tree, monkeypatch):
    """It says so; one that is narrow enough is looked at."""
    monkeypatch.setattr(output_file_check, "MAX_ENTRIES", 6)
    with pytest.raises(PatternTooWideError, match="more than 6 entries"):
        find_paths("**", str(tree))
    assert find_paths("x/y/**/d.txt", str(tree)) == ["x/y/z/d.txt"]
