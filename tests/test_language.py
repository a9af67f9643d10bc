"""Names and prose keep the rules of docs/contributing/language.md: what breaks them may only become less."""

import pytest

import language
import prose
import ratchet

FIX = "Use the words of docs/contributing/language.md. See all places: python scripts/{}.py FOLDER"


@pytest.mark.parametrize("program", [language, prose], ids=["names", "prose"])
def test_language_breaks_no_more_rules_than_before(program):
    """No count of a layer rises above the one on record; what fell is recorded by `--write`."""
    found = program.findings()
    rises = ratchet.risen(ratchet.counts_of(found), ratchet.read_counts(program.RATCHET))
    name = program.__name__.rpartition(".")[2]
    text = ratchet.report(found, rises, program.terms(), ratchet.lines_added(program.RATCHET))
    assert not rises, f"\n{text}\n{FIX.format(name)}"
