"""Templates of mails by Jinja2, in its sandbox: a template reads values, and cannot run code. HTML is escaped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, DictLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mainspring.actions.base.mail_message import PlainText
from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape

_HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
_TEMPLATE_SUFFIXES = frozenset({".j2", ".jinja", ".jinja2"})


def render_template(template: str | Path, values: Mapping[str, Any], *, html: bool | None) -> str:
    """Return the text of a template with its values; see `email.render`."""
    is_html = _is_html_file(template) if html is None else html
    loader: BaseLoader = FileSystemLoader(template.parent) if isinstance(template, Path) else DictLoader({})
    environment = ImmutableSandboxedEnvironment(
        loader=loader, autoescape=is_html, undefined=StrictUndefined, keep_trailing_newline=True
    )
    try:
        found = (
            environment.get_template(template.name) if isinstance(template, Path) else environment.from_string(template)
        )
        text = str(found.render(dict(values)))
    except Exception as error:  # noqa: BLE001 - a template computes with values of any kind
        raise _template_error(template, error) from None
    return text if is_html else PlainText(text)


def _is_html_file(template: str | Path) -> bool:
    if not isinstance(template, Path):
        return False
    suffixes = [suffix.lower() for suffix in template.suffixes]
    while suffixes and suffixes[-1] in _TEMPLATE_SUFFIXES:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in _HTML_SUFFIXES


def _template_error(template: str | Path, error: Exception) -> OptionError:
    line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
    text = (
        error.message if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    ) or "no such template"
    problem = escape(text, 200)
    return OptionError(
        f"the template cannot be used: {problem}\nin {_place(template)}{line}",
        hint="Correct the template, or pass the value that it names.",
    )


def _place(template: str | Path) -> str:
    return escape(str(template), 200) if isinstance(template, Path) else "the text of the template"
