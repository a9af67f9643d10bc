"""What is chosen on the screen of `mainspring top`, and what keys change."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.cli.status.top_keys import KeyCommand
from mainspring.cli.status.top_overview import ScreenLine, ScreenTarget
from mainspring.cli.status.top_screen import Screen

A, B, C = ScreenTarget("a"), ScreenTarget("b"), ScreenTarget("c", run="r_1")
LINES = [ScreenLine("head"), ScreenLine("a", to=A), ScreenLine(""), ScreenLine("b", to=B), ScreenLine("c", to=C)]


def chosen(screen, lines=LINES, height=20):
    found = [line.to for line, is_chosen in screen.visible_lines(lines, height) if is_chosen]
    assert len(found) <= 1
    return found[0] if found else None


def submit(screen, *keys, lines=LINES):
    for key in keys:
        screen.handle_key(key, lines)
    return chosen(screen, lines)


def test_nothing_is_chosen_before_a_key():
    """Anyone who only looks sees no mark; enter opens nothing then."""
    screen = Screen()
    assert chosen(screen) is None
    assert submit(screen, KeyCommand.OPEN) is None
    assert screen.place is None


def test_choice_goes_up_and_down_and_stays_within():
    """Only by lines that lead somewhere."""
    screen = Screen()
    assert submit(screen, KeyCommand.DOWN) == A
    assert submit(screen, KeyCommand.DOWN) == B
    assert submit(screen, KeyCommand.DOWN, KeyCommand.DOWN) == C
    assert submit(screen, KeyCommand.UP, KeyCommand.UP, KeyCommand.UP) == A


def test_choice_stays_with_its_thing():
    """Lines come and go around it; where it is gone itself, what came into its place is chosen."""
    screen = Screen()
    submit(screen, KeyCommand.DOWN, KeyCommand.DOWN)
    assert chosen(screen, [ScreenLine("new", to=ScreenTarget("new")), *LINES]) == B
    assert chosen(screen, [LINES[1], LINES[4]]) == C
    assert chosen(screen, [LINES[0]]) is None


def test_open_and_back_are_a_way():
    """Each place keeps what was chosen there."""
    screen = Screen()
    submit(screen, KeyCommand.DOWN, KeyCommand.DOWN, KeyCommand.OPEN)
    assert screen.place == B
    submit(screen, KeyCommand.DOWN, KeyCommand.OPEN)
    assert screen.places == [B, A]
    submit(screen, KeyCommand.BACK, KeyCommand.BACK)
    assert screen.place is None
    assert chosen(screen) == B
    assert submit(screen, KeyCommand.BACK) is None
    assert (screen.place, screen.is_choosing) == (None, False)


def test_help_is_over_with_the_next_key():
    """Which does nothing else."""
    screen = Screen()
    submit(screen, KeyCommand.DOWN, KeyCommand.HELP)
    assert any("these keys" in line.text for line, _ in screen.visible_lines(LINES, 20))
    assert submit(screen, KeyCommand.OPEN) == A
    assert screen.place is None


@given(
    st.lists(st.sampled_from([KeyCommand.UP, KeyCommand.DOWN, KeyCommand.OPEN, KeyCommand.BACK, KeyCommand.HELP])),
    st.integers(5, 40),
    st.integers(0, 60),
)
def test_screen_always_fits_and_displays_what_is_chosen(keys, height, number):
    """Whatever is pressed, on any screen: no line too many, and the choice is seen."""
    lines = [ScreenLine(f"{n}", to=ScreenTarget(f"{n}") if n % 3 else None) for n in range(number)]
    screen = Screen()
    for key in keys:
        screen.handle_key(key, lines)
        visible = screen.visible_lines(lines, height)
        assert len(visible) <= height
        if not screen.has_help and screen._chosen[-1] is not None:
            assert [line.to for line, is_chosen in visible if is_chosen] == [screen._chosen[-1]]
