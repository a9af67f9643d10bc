"""What a result that does not fit says of it."""

import pytest

from mainspring.engine.commands.result_schema import ResultNotExpected, build_result_check, check_printed, check_result
from mainspring.resources.known_secrets import KNOWN_SECRETS

LONG = {"properties": {"token": {"type": "string", "minLength": 500, "pattern": "^x"}}}
SECRET = "q9" * 60


def test_no_schema_accepts_any_result():
    """And a result that fits is let pass."""
    assert build_result_check(None) is None
    check = build_result_check({"type": "array", "maxItems": 1})
    assert check is not None
    check(b"[1]")
    with pytest.raises(ResultNotExpected, match=r"\$: expected at most 1 items, got 2"):
        check(b"[1,2]")


@pytest.mark.parametrize("printed", [b"", b"made it", b"\xff", b"[1] [2]", b"[" * 100_000])
def test_result_that_is_no_json_is_reported(printed):
    """Whatever a command prints, and however deep: the error is about its output, not about us."""
    with pytest.raises(ResultNotExpected, match="its standard output is not JSON"):
        check_printed({"type": "array"}, printed)


def test_secret_in_a_result_is_not_reported_in_part(monkeypatch):
    """A value is cut short before it is reported, and then no one would know it for one."""
    monkeypatch.setattr(KNOWN_SECRETS, "_values", dict(KNOWN_SECRETS._values))
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", KNOWN_SECRETS.redactor)
    KNOWN_SECRETS.add([SECRET])
    for check in (check_result, check_printed):
        with pytest.raises(ResultNotExpected) as caught:
            check(LONG, f'{{"token": "{SECRET}"}}'.encode())
        assert "$.token: expected" in caught.value.message
        assert SECRET[:10] not in caught.value.message
