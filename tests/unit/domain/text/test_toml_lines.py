"""The line of each key."""

import tomllib

import pytest

from mainspring.domain.text.toml_lines import locate_keys

TEXT = '''# a comment
title = "x"

[store]  # [not.a.header]
url = "a"
retention = { failed = "1d", events = "2d" }
note = """
[worker]
url = "not a key"
"""

[worker.queues]
default = 8
mail.rate = "60/m"
list = [
  "a",  # with a comment
  "b",
]
["environments"."d e v"]
k = 1
[[route]]
to = 1
[[route]]
to = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 2),
        ("store", 4),
        ("store.url", 5),
        ("store.retention", 6),
        ("store.retention.events", 6),
        ("store.note", 7),
        ("worker", 12),
        ("worker.queues", 12),
        ("worker.queues.default", 13),
        ("worker.queues.mail.rate", 14),
        ("worker.queues.list", 15),
        ("environments.d e v.k", 20),
        ("route.to", 22),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_key_lines_finds_each_kind_of_key(path, line, newline):
    """Headers, dotted keys, inline tables and many-line values are all found, look-alikes in text are not."""
    lines = locate_keys(TEXT.replace("\n", newline))
    assert lines[tuple(path.split("."))] == line


def test_key_lines_names_no_key_that_is_not_there():
    """What looks like a key inside text is text."""
    assert tomllib.loads(TEXT)["store"]["note"].startswith("[worker]")
    assert {path for path in locate_keys(TEXT) if path[0] == "worker"} == {
        ("worker",),
        ("worker", "queues"),
        ("worker", "queues", "default"),
        ("worker", "queues", "mail"),
        ("worker", "queues", "mail", "rate"),
        ("worker", "queues", "list"),
    }


def test_key_lines_of_nothing_is_nothing():
    """An empty file has no keys."""
    assert locate_keys("") == {}
    assert locate_keys("# only a comment\n") == {}
