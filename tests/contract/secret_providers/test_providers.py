"""The behaviour of every secret provider, each on a real one."""

import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mainspring.domain.errors import SecretProviderError
from tests.secret_providers.target import CREDENTIAL

VALUES = {
    "LINES": "-----BEGIN KEY-----\nline 2\n-----END KEY-----\n",
    "BLANKS": "  kept as it is\t",
    "UNICODE": "пароль-密码-🔑-\u202eabc",
    "QUOTES": "a\"b'c\\d{e}%f$g`h<i>&j=k",
    "LARGE": "x" * (64 * 1024 - 1) + "y",
}
OTHER_VALUE = "canary-value-51c8"
HOSTILE_NAMES = ["", "../OTHER", "A/B", "/A", "A?version=1", "A#b", "A%2FB", "A\nB", "A\0B", "Ä", ".", "..", "A" * 101]


def test_provider_returns_values_exactly_as_another_client_stored_them(target, prefix):
    """Newlines, blanks, Unicode and 64 KiB survive in both directions."""
    with closing(target.open(prefix)) as provider:
        for name, value in VALUES.items():
            target.put(prefix, name, value)
            found = provider.read(name)
            assert found is not None
            assert found.value == (value if target.has_blanks else value.strip())
            assert value not in repr(found)
            provider.write(name, value[::-1])
            assert target.get(prefix, name) == value[::-1]


def test_provider_reports_versions_and_the_value_before(target, prefix):
    """A new value has a new version, and the one before it is still reported as valid."""
    with closing(target.open(prefix)) as provider:
        assert provider.read("ROTATED") is None
        first, second = provider.write("ROTATED", "value-1"), provider.write("ROTATED", "value-2")
        found = provider.read("ROTATED")
        assert found is not None
        assert found.value == "value-2"
        if target.has_versions:
            assert (found.version, found.previous) == (second, "value-1" if target.has_older_version else None)
            assert first != second or not target.has_distinct_versions
        else:
            assert (found.version, found.previous) == ("", None)


def test_provider_lists_the_names_of_its_place_only(target, prefix):
    """Names of other places and names that Mainspring cannot use are left out."""
    with closing(target.open(prefix)) as provider:
        if not target.has_list:
            assert provider.list_names() is None
            return
        assert provider.list_names() == []
        for name in ("B", "A", "in.side-1", "not a name"):
            target.put(prefix, name, "value")
        target.put(f"{prefix}/deeper", "C", "value")
        target.put(f"{prefix}x", "D", "value")
        assert provider.list_names() == ["A", "B", "in.side-1"]


def test_provider_has_no_secret_of_a_hostile_name_and_stores_none(target, prefix):
    """A name cannot leave the place of the provider, or change the request."""
    target.put(prefix, "A", "value")
    target.put("other", "OTHER", "value")
    with closing(target.open(prefix)) as provider:
        for name in HOSTILE_NAMES:
            assert provider.read(name) is None
            with pytest.raises(SecretProviderError, match="not a valid name") as refused:
                provider.write(name, CREDENTIAL)
            assert CREDENTIAL not in str(refused.value)
        assert target.get(prefix, "A") == "value"
        assert target.get("other", "OTHER") == "value"


def test_unreachable_provider_is_transient_and_recovers(target, prefix):
    """An outage is an error that names the place, and passes."""
    target.put(prefix, "A", "value")
    with closing(target.open(prefix)) as provider:
        assert provider.read("A") is not None
        if not target.cut():
            return
        try:
            for operation in (lambda: provider.read("A"), provider.list_names, lambda: provider.write("A", CREDENTIAL)):
                with pytest.raises(SecretProviderError, match="cannot be reached") as away:
                    operation()
                assert away.value.transient
                assert provider.name in away.value.message
                assert away.value.hint
        finally:
            target.restore()
        found = provider.read("A")
        assert found is not None
        assert found.value == "value"


@pytest.mark.parametrize("kind", ["refused", "denied"])
def test_refused_credentials_and_rights_need_a_person(target, prefix, kind):
    """The error says which of the two it is, is not retried, and repeats no credential."""
    target.put(prefix, "A", VALUES["QUOTES"])
    provider = target.open_refused(prefix) if kind == "refused" else target.open_denied(prefix)
    if provider is None:
        return
    with closing(provider):
        for operation in (lambda: provider.read("A"), provider.list_names, lambda: provider.write("A", OTHER_VALUE)):
            with pytest.raises(SecretProviderError, match="refuses the" if kind == "refused" else "not allow") as error:
                operation()
            text = "".join(traceback.format_exception(error.value))
            assert not error.value.transient
            assert error.value.hint
            assert provider.name in error.value.message
            assert not any(secret in text for secret in (CREDENTIAL, VALUES["QUOTES"], OTHER_VALUE, *target.hidden))
    target.open(prefix).close()
    assert target.get(prefix, "A") == VALUES["QUOTES"]


def test_threads_read_at_the_same_time(target, prefix):
    """Each of many threads gets its own answer."""
    names = [f"N{number}" for number in range(8)]
    for name in names:
        target.put(prefix, name, f"value of {name}")
    with closing(target.open(prefix)) as provider, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(provider.read, names * 4))
    assert [value.value for value in found] == [f"value of {name}" for name in names] * 4


def test_closed_provider_is_an_error(target, prefix):
    """`close` may be called twice, and a call after it neither hangs nor connects again."""
    provider = target.open(prefix)
    provider.read("A")
    provider.close()
    provider.close()
    if not target.has_connection:
        return
    with pytest.raises(SecretProviderError, match="closed"):
        provider.read("A")
