"""What a browser makes of a page: where its links and forms lead, and how it is built."""

import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from mainspring.web.dashboard.page_table import find_page
from tests.command_lines import unknown_in

UNLABELLED = {"hidden", "submit", "button"}


class Read(HTMLParser):
    """A page that was read. `links`, `sent` = where links and forms lead, forms with their method; `faults` = what is built badly.

    A command line that the program does not take is a fault. So is a table that does not leave as CSV and JSON: the links to it stand
    behind it, before the next table or heading.
    """

    def __init__(self, at, text):
        super().__init__()
        self._at, self._text, self._ids, self._labels, self._wanting, self._inside = at, text, [], set(), [], 0
        self._level, self._table, self._expected, self._lines = 0, [], set(), None
        self.links, self.sent, self.faults = [], [], []
        self.feed(text)
        self._leave()
        self.faults += [f"the id {id} twice" for id in {id for id in self._ids if self._ids.count(id) > 1}]
        self.faults += [f"no label: {name}" for id, name in self._wanting if id not in self._labels]
        self.faults += [f"leads to #{id}, which is not there" for id in self._own() if id not in self._ids]

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._ids += [found["id"]] if "id" in found else []
        self.faults += [f"{name} on {tag}" for name in found if name == "style" or name.startswith("on")]
        if tag == "div" and found.get("class") == "command":
            self._lines = ""
        elif tag == "a" and "href" in found:
            self.links.append(urljoin(self._at, found["href"]))
            self._expected -= {value for name, value in parse_qsl(urlsplit(found["href"]).query) if name == "as"}
        elif tag == "table":
            self._leave()
            self._table = []
        elif tag == "form":
            self.sent.append((found.get("method", "get"), urljoin(self._at, found.get("action") or self._at)))
        elif tag == "label":
            self._inside += 1
            self._labels.add(found.get("for"))
        elif tag in ("input", "select", "textarea") and found.get("type") not in UNLABELLED:
            if not self._inside and "aria-label" not in found:
                self._wanting.append((found.get("id"), found.get("name")))
        elif tag == "th":
            self._table.append("")
        elif re.fullmatch("h[1-6]", tag):
            self._leave()
            self._head(int(tag[1]))

    def handle_endtag(self, tag):
        self._inside -= tag == "label"
        if tag == "code" and self._lines is not None:
            self._check_lines(self._lines)
            self._lines = None
        if tag == "table":
            self._expected = {"csv", "json"}

    def handle_data(self, data):
        if self._lines is not None:
            self._lines += data
        if self.lasttag == "th" and self._table:
            self._table[-1] += data

    def _leave(self):
        """Look whether the last table has its links."""
        if self._expected:
            self.faults.append(
                f"the table of {' '.join(self._table)} does not leave as {' and '.join(sorted(self._expected))}"
            )
        self._expected = set()

    def _check_lines(self, lines):
        """Look whether the program takes the command lines that are shown."""
        for line in re.split(r"; |\n", lines):
            command = line.removeprefix("mainspring ")
            self.faults += [f"{name} in the line {line}" for name in (unknown_in(command) if command != line else [])]

    def _head(self, level):
        if level > self._level + 1 and not (self._level == 0 and level == 1):
            self.faults.append(f"h{level} after h{self._level}")
        self._level = level

    def _own(self):
        """Return the places on the page itself that it leads to."""
        here = urlsplit(self._at)
        split = [urlsplit(link) for link in self.links]
        return {link.fragment for link in split if link.fragment and link[:4] == here[:4]}


def shape(address):
    """Return what addresses of one kind have in common: their page, the names in their query, which rows are wanted, and how."""
    path, query = urlsplit(address)[2:4]
    found = find_page(path.encode())
    names = {
        f"as={value}" if name in ("as", "of") else name for name, value in parse_qsl(query, keep_blank_values=True)
    }
    return (path if found is None else found[0].path, *sorted(names))
