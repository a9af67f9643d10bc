"""Measurements: which names and numbers can be measured, and how the numbers of steps become those of a run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.measurement import check_measured_value, check_measurement_name, sum_measurements


@pytest.mark.parametrize("name", ["", "a b", "a:lower", "ä", "x" * 65, None, 3, "a,b"])
def test_bad_name_is_an_error(name):
    """It stands in options, separated by colons and blanks."""
    with pytest.raises(ArgumentError, match="cannot be the name of a measurement"):
        check_measurement_name(name)


@pytest.mark.parametrize("value", [True, "3", None, math.nan, math.inf, -math.inf, 10**400, 1j, 1.1e15, -(10**16)])
def test_bad_value_is_an_error(value):
    """The error has the name, the value and the fix."""
    with pytest.raises(ArgumentError, match=r"ms\.measure\('cost', .*expected a number between") as caught:
        check_measured_value("cost", value)
    assert "float(value)" in caught.value.hint


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-1e9, 1e9)), max_size=20), st.randoms())
def test_number_of_a_run_does_not_depend_on_the_order_of_its_steps(steps, rng):
    """Each machine computes the same sum."""
    shuffled = rng.sample(steps, len(steps))
    assert sum_measurements(steps) == sum_measurements(shuffled)
    assert set(sum_measurements(steps)) == {name for step in steps for name in step}
