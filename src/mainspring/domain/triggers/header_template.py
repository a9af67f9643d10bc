"""Header names in templates: as senders write them or with `_` for `-`; `{headers.X-Request-Id}` and `{headers.x_request_id}` are one.

Templates are stored in the second form, in which every dotted name is one of a template.
"""

from collections.abc import Iterable, Mapping

from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.values.template import check_template

_FIELD = lazy_pattern(r"(?<!\{)(?:\{\{)*\{headers\.[A-Za-z][A-Za-z0-9_-]*")


def normalize_template(template: object, known: Iterable[str], *, option: str) -> str:
    """Return a template over a delivery in its stored form.

    Raises:
        OptionError, UnknownNameError: it cannot be read, or uses a name that is not `known`; see `check_template`.
    """
    normalized = normalize_header_names(template) if isinstance(template, str) else template
    check_template(normalized, known, option=option)
    return str(normalized)


def normalize_header_names(template: str) -> str:
    """Return a template with its header names in small letters and `_`."""
    return _FIELD.sub(lambda match: _template_name(match[0]), template)


def headers_by_template_name(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in templates. One with a `-` wins over one with a `_` in its place."""
    names = sorted(headers, key=lambda name: "-" in name)
    return {_template_name(name): headers[name] for name in names}


def _template_name(name: str) -> str:
    return name.replace("-", "_").lower()
