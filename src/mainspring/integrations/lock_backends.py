"""All lock backends by the scheme of their addresses, one line for each."""

from importlib import import_module

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.lock_backend import LockBackend
from mainspring.integrations.base.queue_address import QueueAddressParts, quote_part

LOCK_BACKENDS = {
    **dict.fromkeys(("postgresql", "postgres"), "postgres_lock"),
    **dict.fromkeys(("redis", "rediss", "valkey", "valkeys"), "redis_lock"),
}
"""The module of each scheme: its `LOCK_BACKEND` is imported when an address names it."""
_BACKEND_NAME = lazy_pattern(r"[a-z][a-z0-9_-]{0,39}")


def find_lock_backend(scheme: str) -> LockBackend:
    """Return the backend of a scheme. Raises KeyError if there is none."""
    backend: LockBackend = import_module(f"mainspring.integrations.{LOCK_BACKENDS[scheme]}").LOCK_BACKEND
    return backend


def check_backend_name(name: str) -> None:
    """Do nothing if this may be the name of a lock backend. Raises OptionError."""
    if not _BACKEND_NAME.fullmatch(name):
        raise OptionError(
            f"{quote_part(name, 60)} cannot name a lock backend",
            hint="Use lower-case letters, digits, _ and -, at most 40.",
        )


def check_backend_url(url: str) -> None:
    """Do nothing if this may be the address of a lock backend; a password in it is not repeated. Raises OptionError."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in LOCK_BACKENDS:
        forms = dict.fromkeys(find_lock_backend(scheme).form for scheme in LOCK_BACKENDS)
        start = f"{scheme}://" if separator else "://"
        raise OptionError(f"no lock backend is known for {quote_part(start, 23)}", hint=f"Write {' or '.join(forms)}")
    backend = find_lock_backend(scheme)
    parts = QueueAddressParts.of(url, backend.form, accepts_token=False, noun="lock backend")
    parts.check_host()
    backend.check_address(parts)
