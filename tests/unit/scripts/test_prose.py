"""The lint of prose finds what it is for, and leaves code, tables and questions alone."""

import click
import pytest

import language
import prose
import ratchet

PHRASES = prose.banned_phrases((ratchet.ROOT / language.PAGE).read_text(encoding="utf-8"))


def sentences(page):
    """The measured sentences of a page, with their lines."""
    return [
        (sentence.line, sentence.text)
        for text in prose.texts_of_markdown("page.md", page)
        if text.is_measured
        for sentence in prose.sentences_of(text)
    ]


def broken(page):
    """The rules that a page breaks."""
    return [finding.rule for finding in prose.findings_of(prose.texts_of_markdown("page.md", page), PHRASES)]


def test_sentences_have_the_lines_on_which_they_start():
    """Over lines of one paragraph, and items of a list."""
    page = "# Title\n\nFirst one. Second\none. Third.\n\n* an item\n  of two lines\n* another. And more\n"
    assert sentences(page) == [
        (3, "First one."),
        (3, "Second one."),
        (4, "Third."),
        (6, "an item of two lines"),
        (8, "another."),
        (8, "And more"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "```python\ngoes on\n```\n",
        "~~~\ngoes on\n~~~\n",
        "Run `goes on` twice.\n",
        "    goes on\n",
        "See [the page](goes%20on.md).\n",
        "<!-- goes on -->\n",
        "* item\n\n  ```sh\n  goes on\n  ```\n",
    ],
)
def test_code_and_targets_of_links_are_no_prose(page):
    """Nor comments."""
    assert broken(page) == []


def test_phrases_are_found_in_tables_titles_and_over_lines():
    """Where no sentence is measured, too."""
    assert broken("| a | it goes on |\n") == ["goes on"]
    assert broken("# It goes on\n") == ["goes on"]
    assert broken("So it goes\non.\n") == ["goes on"]
    assert broken("It forgoes only one.\n") == []


@pytest.mark.parametrize(
    "text", ["Use e.g. Slack. Done.", "It takes 0.5 s. Done.", "See example.org. Done.", "It is `a. B`. Done."]
)
def test_points_that_end_no_sentence(text):
    """Abbreviations, numbers, names and code."""
    assert len(sentences(text)) == 2


def test_long_sentence_and_long_page():
    """36 words, and a mean of 21."""
    assert broken("word " * 35 + ".") == []
    assert broken("word " * 36 + ".") == [prose.LONG_SENTENCE]
    assert broken(("Word " * 21 + ".\n\n") * 5) == [prose.LONG_PAGE]
    assert broken(("Word " * 20 + ".\n\n") * 5) == []


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        ("Who finds the lock taken waits for it.", True),
        ("What was saved is not done again.", True),
        ("Where no worker lives, this process works on the run.", True),
        ("Which of them is used depends on the zone.", True),
        ("*What it guarantees.*", True),
        ("It is resumed; what was saved is not done again.", True),
        ("What happens if a worker dies?", False),
        ("A step that finds the lock taken waits for it.", False),
        ("When a worker dies, another resumes its runs.", False),
        ("It shows what failed.", False),
        ("* what failed", False),  # an item of a list
    ],
)
def test_clause_as_subject(text, is_broken):
    """A sentence that begins with one, or goes over to one; no question."""
    assert broken(text) == ([prose.CLAUSE] if is_broken else [])


def test_texts_of_a_template():
    """Between tags, in attributes that are read out, and within expressions; not in code, scripts and comments."""
    page = (
        '{# no #}\n<script>no no</script>\n<p title="A title">Nobody <b>hears</b> of {{ value }}.</p>\n'
        '{{ button("Retry the run") }}<code>goes on</code>\n{% if x %}<li>Its end</li>{% endif %}\n'
    )
    found = [(text.line, text.text) for text in prose.texts_of_template("page.html", page)]
    assert found == [
        (4, "Retry the run"),
        (3, "A title"),
        (3, "Nobody hears of Value."),
        (4, "ValueCode"),
        (5, "Its end"),
    ]


def test_texts_of_commands():
    """Paragraphs of their help without examples, and each option once."""

    @click.group()
    def root(): ...

    for name in ("first", "second"):
        command = click.Command(
            name, help="Do it.\n\n\b\nexample of it", params=[click.Option(["--actor"], help="who acts")]
        )
        root.add_command(command)
    assert [(text.path, text.text) for text in prose.texts_of_help(root)] == [
        ("help/mainspring first", "Do it."),
        ("help/mainspring first --actor", "who acts"),
        ("help/mainspring second", "Do it."),
    ]


def test_texts_of_errors():
    """Messages and hints, with one word for each value."""
    source = (
        'raise ConfigError(f"no such key {key!r} " "in the file", hint="Remove the key.")\nreturn Refused("a b c")\n'
    )
    assert [text.text for text in prose.texts_of_errors("x.py", source.replace("return ", "x = "))] == [
        "no such key Value in the file",
        "Remove the key.",
    ]


def test_phrases_in_docstrings_and_comments():
    """With their lines, and without what is code; a docstring does not begin with a clause, but that of a test may."""
    source = '''"""What is read.

It goes on, as `goes on` does.
"""

x = "goes on"  # it goes on
'''
    found = [(finding.rule, finding.line) for finding in prose.findings_in_code("src/mainspring/x.py", source, PHRASES)]
    assert found == [("goes on (code)", 3), (prose.DOCSTRING, 1), ("goes on (code)", 6)]
    assert len(list(prose.findings_in_code("tests/x.py", source, PHRASES))) == 2


def test_findings_have_an_area():
    """Folder of a page, layer of a message, help."""
    assert ratchet.layer_of("docs/how-to/queues.md") == "docs/how-to"
    assert ratchet.layer_of("README.md") == "README.md"
    assert ratchet.layer_of("help/mainspring runs list") == "help"
    assert ratchet.layer_of("src/mainspring/web/templates/run.html") == "src/mainspring/web"
