"""Names and prose keep the rules of docs/contributing/language.md: what breaks them may only become less."""

import pytest

import language
import prose

FIX = "Use the words of docs/contributing/language.md. See all places: python scripts/{}.py FOLDER"


@pytest.mark.parametrize("program", [language, prose], ids=["names", "prose"])
def test_language_breaks_no_more_rules_than_before(program):
    """No count of a layer rises above the one on record; what fell is recorded by `--write`."""
    found = program.findings()
    rises = language.risen(language.counts_of(found), language.read_counts(program.RATCHET))
    name = program.__name__.rpartition(".")[2]
    text = language.report(found, rises, program.terms(), language.lines_added(program.RATCHET))
    assert not rises, f"\n{text}\n{FIX.format(name)}"
