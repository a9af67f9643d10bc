"""The names of steps that a module computes, read from its source."""

from mainspring.engine.definitions.reachable_names import find_computed_names


def test_file_that_was_edited_is_read_again(tmp_path):
    """A process that loads a file twice must not judge a renamed step by the names of the old text."""
    file = tmp_path / "work.py"
    file.write_text('run.options(name=f"load_{table}").step(load, table)\n')
    (pattern,) = find_computed_names(str(file), {})
    assert pattern.fullmatch("load_rates")
    file.write_text("run.step(load, table)\n")
    assert find_computed_names(str(file), {}) == []


def test_source_that_cannot_be_read_computes_no_name(tmp_path):
    """It is missing, or no Python."""
    file = tmp_path / "work.py"
    assert find_computed_names(str(file), {}) == []
    file.write_text("this is no Python\n")
    assert find_computed_names(str(file), {}) == []
