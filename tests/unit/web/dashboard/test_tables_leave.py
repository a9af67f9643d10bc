"""Every table of every page leaves as CSV and JSON: the links to it stand right behind it. `test_links` follows them all."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

import mainspring.web
from mainspring.service.sign_in import SignIn
from mainspring.web.dashboard.table import PAGES
from tests.unit.web.dashboard import failing
from tests.unit.web.dashboard.page_world import PEOPLE
from tests.unit.web.dashboard.reading import Read
from tests.unit.web.dashboard.run_world import HOSTILE, failed
from tests.unit.web.dashboard.shop import Shop

TEMPLATES = Path(mainspring.web.__file__).parent / "templates"
DRAWN_ELSEWHERE = {"arrived_parts.html", "run_parts.html"}
"""Macros: what leaves is said where they are called."""
TABLE = re.compile(r"</table>|arrived\.table\(|runs\.steps\(")
LEAVES = re.compile(r"parts\.(?:under|leaves)\(|'as': 'csv'")
NEXT = re.compile(r"<h[1-6]|<table|arrived\.table\(|runs\.steps\(")


def staying(text):
    """Return the places of a template at which a table ends that does not leave."""
    found = []
    for table in TABLE.finditer(text):
        following = NEXT.search(text, table.end())
        rest = text[table.end() : following.start() if following else len(text)]
        found += [] if LEAVES.search(rest) else [text[: table.start()].count("\n") + 1]
    return found


def test_every_table_of_every_template_leaves():
    """Also where no test has data for it; a link that belongs to the next table does not count."""
    names = [one for one in TEMPLATES.glob("*.html") if one.name not in DRAWN_ELSEWHERE]
    assert {one.name: staying(one.read_text()) for one in names if staying(one.read_text())} == {}
    assert staying("</table>{{ parts.leaves(here, 'x') }}\n</table>\n<h2>") == [2]
    assert staying("</table><h2>Next</h2><table></table>{{ parts.under(here) }}") == [1]


def test_table_without_its_links_is_found_on_a_page():
    """Both kinds, before the next table or heading."""
    table = "<table><tr><th>Run</th><th>State</th></tr></table>"
    as_csv, as_json = '<a href="/x?as=csv&amp;of=runs">', '<a href="/x?of=runs&amp;as=json">'
    assert Read("/x", f"<h1></h1>{table}{as_csv}{as_json}").faults == []
    assert Read("/x", f"<h1></h1>{table}{as_csv}<h2></h2>{as_json}").faults == [
        "the table of Run State does not leave as json"
    ]
    assert Read("/x", f"<h1></h1>{table}{table}{as_csv}{as_json}").faults == [
        "the table of Run State does not leave as csv and json"
    ]


def test_links_name_tables_that_there_are():
    """Each name that a template asks for is a table of its page, and each table of a page is asked for."""
    named = {}
    for page in PAGES:
        named.setdefault(page.template, set()).update(page.tables)
    for template, tables in named.items():
        text = (TEMPLATES / template).read_text()
        asked = set(re.findall(r'parts\.leaves\(here, "(\w+)"\)', text)) | set(re.findall(r'moved\(\w+\.(\w+),', text))
        assert asked == tables, template
