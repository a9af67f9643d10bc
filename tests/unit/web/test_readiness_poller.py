"""The look: one file holds every colour and size, and each colour of a state can be read on what it stands on, light and dark."""

import re
from importlib.resources import files

import pytest

WEB = files("mainspring.web")
CSS = WEB / "static" / "css"
TOKENS = (CSS / "tokens.css").read_text(encoding="utf-8")
LITERAL = re.compile(
    r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|lab|color)\(|(?<![\w.-])\d*\.?\d+(?:px|rem|em|ch|ex|pt|vh|vw|dvh(?!;))\b"
)
STATES = ("good", "bad", "warn", "busy", "wait", "idle")
ENOUGH = 4.5
"""WCAG 2.2, 1.4.3: contrast of text."""


def pairs():
    """Return (name, (light, dark)) of each colour."""
    return {
        name: (light, dark)
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", TOKENS)
    }


def luminance(colour):
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color, other):
    lighter, darker = sorted((luminance(color), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("sheet", sorted(path.name for path in CSS.iterdir() if path.name != "tokens.css"))
def test_no_other_sheet_holds_a_colour_or_a_size(sheet):
    """Anyone who changes the look changes it in one place. Conditions of @media cannot read a token."""
    text = re.sub(r"/\*.*?\*/", "", (CSS / sheet).read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r"@media[^{]*\{", "{", text)
    assert LITERAL.findall(text) == []


def test_templates_have_no_inline_style():
    """No style stands in a page: the policy of the browser would refuse it."""
    for page in (WEB / "templates").rglob("*.html"):
        assert not re.search(r"\bstyle=|<style|\bon\w+=|fill=\"#", page.read_text(encoding="utf-8")), page.name


def test_every_use_is_a_token_and_every_token_is_of_use():
    """A name that is misspelt would be silently nothing, and what nothing uses says nothing."""
    named = set(re.findall(r"^\s*--([\w-]+):", TOKENS, re.M))
    styles = "".join(path.read_text(encoding="utf-8") for path in CSS.iterdir())
    assert set(re.findall(r"var\(--([\w-]+)\)", styles)) == named


def test_every_class_of_a_sheet_is_written_in_a_page():
    """A rule for what is drawn nowhere is left over; "u-" = what the chart makes."""
    pages = "".join(path.read_text(encoding="utf-8") for path in [*WEB.rglob("*.html"), *WEB.rglob("*.py")])
    for sheet in CSS.iterdir():
        selectors = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheet.read_text(encoding="utf-8"), flags=re.S)
        for name in set(re.findall(r"\.((?!u-)[a-z][\w-]*)", selectors)) - set(STATES):
            computed = re.sub(rf"^(?:{'|'.join(STATES)})-", "}}-", re.sub(r"^level-\d$", "level-{{", name))
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", pages) or computed in pages, (sheet.name, name)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("tone", [*STATES, "ink", "quiet", "accent"])
def test_text_of_each_tone_can_be_read(tone, theme):
    """On paper, on panels, on sunk places, and on its own wash."""
    colours = pairs()
    grounds = ["paper", "panel", "sunk", *([f"{tone}-wash"] if f"{tone}-wash" in colours else [])]
    for ground in grounds:
        assert contrast(colours[tone][theme], colours[ground][theme]) >= ENOUGH, (tone, ground)
    assert contrast(colours["on-accent"][theme], colours["accent"][theme]) >= ENOUGH
