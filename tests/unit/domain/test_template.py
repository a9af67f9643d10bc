"""Templates: what they reach, and what they can never reach."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.template import check_template, expand_template

SLOT = datetime(2026, 1, 5, 3, tzinfo=UTC)
VALUES = {"slot": SLOT, "order": {"id": 7, "ok": True, "none": None, "items": [1]}, "day": "2026-01-05", "cost": 1.5}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("/backups/{slot:%F}.gz", "/backups/2026-01-05.gz"),
        ("order {order.id:04}", "order 0007"),
        ("{slot}", "2026-01-05T03:00:00+00:00"),
        ("{day:%d.%m.%Y} {cost:.2f}", "05.01.2026 1.50"),
        ("{{literal}} {order.ok}{order.none}", "{literal} true"),
        ("plain", "plain"),
    ],
)
def test_template_is_filled(template, text):
    """Names, keys and formats are filled in; doubled braces are text."""
    assert expand_template(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{slot.__class__}",
        "{slot.tzinfo}",
        "{order._id}",
        "{_order}",
        "{order[id]}",
        "{0}",
        "{}",
        "{order!r}",
        "{cost:>99999}",
        "{cost:{day}}",
        "{slot",
        "slot}",
        "{missing}",
        "{order.missing}",
        "{order}",
        "{order.items}",
        "{day:%d%d" + "x" * 80 + "}",
        "{order.id:%F}",
        "x" * 5_000,
    ],
)
def test_template_refuses_everything_else(template):
    """No attribute, index, conversion or width leads anywhere."""
    with pytest.raises(OptionError):
        expand_template(template, VALUES)


def test_template_names_are_checked_before_there_are_values():
    """A misspelt argument is found at declaration, with the nearest name."""
    check_template("{order.id} {slot:%F}", ["order", "slot"])
    check_template("{whatever}", None)
    with pytest.raises(UnknownNameError) as refused:
        check_template("{ordr.id}", ["order", "slot"])
    assert refused.value.nearest == "order"


@given(st.text(alphabet="{}[]().:!%_ao0<>9\\ ", max_size=30))
def test_template_never_fails_in_another_way(template):
    """Whatever is written gives text or our own error."""
    with contextlib.suppress(MainspringError):
        assert isinstance(expand_template(template, {"a": {"o": 1.5}, "o": "text"}), str)
