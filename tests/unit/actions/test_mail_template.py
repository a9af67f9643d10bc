"""Templates of mails: values are escaped in HTML, missing ones are errors, and no template runs code."""

import pytest

from mainspring.actions import email
from mainspring.domain.errors import OptionError

VALUES = {"name": "<b>Ann & Bob</b>", "rows": [1, 2]}


def test_text_is_not_escaped_and_html_is(tmp_path):
    """The name of a file decides, or the option."""
    for name in ("mail.txt", "mail.html", "mail.html.j2"):
        (tmp_path / name).write_text("Dear {{ name }}")
    escaped = "Dear &lt;b&gt;Ann &amp; Bob&lt;/b&gt;"
    assert email.render("Dear {{ name }}", VALUES) == "Dear <b>Ann & Bob</b>"
    assert email.render("Dear {{ name }}", VALUES, html=True) == escaped
    assert email.render(tmp_path / "mail.txt", VALUES) == "Dear <b>Ann & Bob</b>"
    assert email.render(tmp_path / "mail.html", VALUES) == escaped
    assert email.render(tmp_path / "mail.html.j2", VALUES) == escaped


def test_template_includes_only_from_its_folder(tmp_path):
    """A part is found; a path that leads out of the folder is not."""
    (tmp_path / "mail").mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "mail" / "part.txt").write_text("rows: {{ rows|join(', ') }}")
    (tmp_path / "mail" / "good.txt").write_text("{% include 'part.txt' %}")
    (tmp_path / "mail" / "bad.txt").write_text("{% include '../outside.txt' %}")
    assert email.render(tmp_path / "mail" / "good.txt", VALUES) == "rows: 1, 2"
    with pytest.raises(OptionError, match=r"outside.txt(?s:.*)in .*bad.txt"):
        email.render(tmp_path / "mail" / "bad.txt", VALUES)


@pytest.mark.parametrize(
    "template",
    [
        "{{ name.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ rows.append(3) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ missing }}",
        "{{ name.missing }}",
        "{% for x in %}",
        "{{ range(10 ** 9) }}",
        "{% include 'other.txt' %}",
    ],
)
def test_template_that_reaches_too_far_is_refused(template):
    """Code, changes of values, missing values and endless work are errors of the template."""
    with pytest.raises(OptionError, match=r"the template cannot be used(?s:.*)in the text of the template"):
        email.render(template, VALUES)


def test_template_error_names_its_line(tmp_path):
    """The file and the line."""
    (tmp_path / "mail.html").write_text("<p>\n{% if %}\n")
    with pytest.raises(OptionError, match=r"in .*mail.html, line 2\n"):
        email.render(tmp_path / "mail.html", VALUES)


def test_plain_text_is_not_sent_as_html():
    """Its values are not escaped, so it is refused before anything is sent."""
    html = email.render("<p>{{ name }}</p>", VALUES)
    with pytest.raises(OptionError, match="html=True"):
        email.send("ann@example.com", "x", html=html, server="smtp://127.0.0.1:1?from=ms@example.com")
