"""Keys that every store can find again."""

from hypothesis import example, given
from hypothesis import strategies as st

from mainspring.domain.text.printable_key import fits_key, make_printable_key

_WIDE = "\U00020000" * 600


@given(st.text(min_size=1, max_size=2_000), st.text(min_size=1, max_size=2_000))
@example("a\nb", "a\\nb")
@example("x" * 2_000, "x" * 1_999)
@example(_WIDE, _WIDE[1:])
@example("\0", "\ud800")
def test_keys_are_printable_bounded_and_distinguished(first, second):
    """Whatever a sender calls its messages, two names stay two keys that every store takes."""
    for text in (first, second):
        assert fits_key(make_printable_key(text))
        assert len(make_printable_key(text).encode()) <= 2_000
    assert (make_printable_key(first) == make_printable_key(second)) == (first == second)


def test_no_key_stays_none():
    """What has no key shares one."""
    assert make_printable_key("") == ""
    assert not fits_key("")


def test_a_key_that_no_index_takes_does_not_fit():
    """A thousand characters may be more bytes than PostgreSQL finds a row by."""
    assert not fits_key(_WIDE)
    assert fits_key(_WIDE[:500])
    assert fits_key("x" * 1_000)
