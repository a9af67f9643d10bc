"""Roles have an order, and a visitor sees what its patterns say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.access.permissions import Role, Visitor, read_automations, read_role
from mainspring.domain.errors import OptionError, UnknownNameError

_ROLES = st.sampled_from(Role)


def _visitor(role: Role, automations: tuple[str, ...] | None = None) -> Visitor:
    return Visitor(entry_point="web", name="ana", role=role, automations=automations)


def test_role_each_may_what_those_before_it_may() -> None:
    """Viewer, operator, admin: never the other way round."""
    for place, role in enumerate(Role):
        assert [role.reaches(least) for least in Role] == [other <= place for other in range(len(Role))]


def test_visitor_is_written_with_its_entry_point() -> None:
    """As the audit log writes it."""
    assert str(_visitor(Role.VIEWER)) == "web:ana"


@given(_ROLES, _ROLES, st.text(min_size=1, max_size=10))
def test_visitor_for_all_is_bound_by_its_role_only(own: Role, least: Role, automation: str) -> None:
    """No patterns: each automation is seen, and what is of none."""
    visitor = _visitor(own)
    assert visitor.is_for_all
    assert visitor.may_view(automation)
    assert visitor.may_view(None)
    assert visitor.may(least) == own.reaches(least)


@pytest.mark.parametrize(
    ("automation", "seen"),
    [
        ("billing-sync", True),
        ("backup", True),
        ("backups", False),
        ("Billing-sync", False),
        ("old-billing-sync", False),
        (None, False),
    ],
)
def test_visitor_with_patterns_sees_these_only(automation: str | None, seen: bool) -> None:
    """Whole names, as they are written; what belongs to no automation is not theirs."""
    assert _visitor(Role.OPERATOR, ("backup", "billing-*")).may_view(automation) is seen


def test_visitor_with_no_pattern_at_all_sees_nothing() -> None:
    """An empty list is not "all"."""
    assert not _visitor(Role.OPERATOR, ()).may_view("backup")


def test_read_role_reports_the_nearest() -> None:
    """A name of a role, or an error that knows what was meant."""
    assert read_role("operator") is Role.OPERATOR
    with pytest.raises(UnknownNameError, match="operater"):
        read_role("operater")


def test_read_automations_keeps_each_once() -> None:
    """None stays None: all."""
    assert read_automations(None, Role.ADMIN) is None
    assert read_automations(["b-*", "a", "a"], Role.VIEWER) == ("a", "b-*")


@pytest.mark.parametrize("words", [[], [""], [" a"], ["a\nb"], ["a" * 201], [f"a{n}" for n in range(101)]])
def test_read_automations_refuses_what_matches_nothing(words: list[str]) -> None:
    """Neither an empty list, nor one that no one can read."""
    with pytest.raises(OptionError):
        read_automations(words, Role.VIEWER)


def test_read_automations_are_not_for_an_admin() -> None:
    """Who changes what others may could lift the own bounds."""
    with pytest.raises(OptionError, match="an admin is for all"):
        read_automations(["a"], Role.ADMIN)
