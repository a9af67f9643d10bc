"""The pages say what the program does."""

import re
from pathlib import Path

from mainspring.config import Settings
from mainspring.config.keys import VALUES
from mainspring.domain.options import OPTIONS

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROW = re.compile(r"^\| `([a-z_]+\.[\w.]+)` \| (\S+) \| (.+) \|$", re.MULTILINE)
# Their defaults depend on the user and the store.
PLACES = {"store.url", "exec.spool"}


def setting_rows() -> dict[str, tuple[str, str]]:
    """Return {key: (default, meaning)} of the page's tables."""
    page = (DOCS / "reference" / "config.md").read_text(encoding="utf-8")
    return {key: (default.strip("`"), meaning) for key, default, meaning in ROW.findall(page)}


def as_shown(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_config_page_lists_every_setting_and_no_other():
    """A new key without a row, and a row without a key, both fail."""
    assert set(setting_rows()) == {".".join(path).replace("*", "NAME") for path in VALUES}


def test_config_page_shows_the_defaults_in_force():
    """The default that is written is the one that is used."""
    rows = setting_rows()
    shown = {key.replace("NAME", "default"): default for key, (default, _) in rows.items()}
    for path, value, _ in Settings().describe():
        assert path in PLACES or shown[path] == as_shown(value), path


def test_config_page_says_of_default_options_what_the_table_says():
    """One sentence for an option, wherever it is shown."""
    rows = {key.removeprefix("defaults."): row[1] for key, row in setting_rows().items() if key.startswith("defaults.")}
    assert rows == {name: OPTIONS[name].help for name in rows}
