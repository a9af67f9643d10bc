"""The keyring of a desktop: each secret is the password of a user of one service, for programs that run as that person."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any, Final

from mainspring.domain.errors import SecretProviderError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.secret_provider import SecretValue, require_name
from mainspring.integrations.secret_providers import ProviderPlace, SecretProviderKind
from mainspring.integrations.secrets.provider_address import ProviderAddress

UNLOCKED_WITHIN_S: Final = 60.0
"""The longest time of one call: the desktop may open a dialogue in which a person unlocks the keyring."""
_SERVICE = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9_./ -]{0,99}")
_BACKEND = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_UNUSABLE = ("keyring.backends.fail", "keyring.backends.null")
_MAY_BE_PLAIN = "keyrings.alt"
"""Backends that write passwords to files, some without encryption: used only if the address names one."""


class KeyringProvider:
    """The passwords of one service. One thread makes all calls, because few backends allow more.

    A backend that hangs stops neither a caller nor the end of the process. A call that was not begun in time is never made.
    """

    def __init__(self, name: str, service: str, backend: str, *, within_s: float = UNLOCKED_WITHIN_S) -> None:
        self.name = name
        self._service = service
        self._backend_name = backend
        self._within_s = within_s
        self._backend: Any = None
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[Any], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def read(self, name: str) -> SecretValue | None:
        """Return the password; None if there is none."""
        if not SECRET_NAME.fullmatch(name):
            return None
        found = self._call(lambda backend: backend.get_password(self._service, name))
        return None if found is None else SecretValue(str(found))

    def list_names(self) -> list[str] | None:
        """Return None: a keyring cannot list its users."""
        return None

    def write(self, name: str, value: str) -> str:
        """Store the password; a keyring has no versions."""
        require_name(name, self.name)
        self._call(lambda backend: backend.set_password(self._service, name, value))
        return ""

    def remove(self, name: str) -> None:
        """Delete the password."""
        require_name(name, self.name)
        self._call(lambda backend: backend.delete_password(self._service, name))

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._is_closed = True
            self._calls.put(None)

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        future: Future[Any] = Future()
        with self._lock:
            if self._is_closed:
                raise self._error("it was closed", "Open it again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="mainspring-keyring", daemon=True)
                self._thread.start()
            self._calls.put((future, operation))
        try:
            return future.result(self._within_s)
        except SecretProviderError:
            raise
        except FutureTimeoutError:
            future.cancel()
            raise self._error(
                f"the keyring does not answer within {self._within_s:g} s",
                "Unlock it: it may show a dialogue on the desktop.",
                is_transient=True,
            ) from None
        except Exception as error:  # noqa: BLE001 - each backend has errors of its own, and their texts may have the value
            raise self._backend_error(error) from None

    def _serve(self) -> None:
        """Make the calls, one after the other."""
        while (call := self._calls.get()) is not None:
            future, operation = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(operation(self._opened_backend()))
                except BaseException as error:  # noqa: BLE001 - the caller gets it
                    future.set_exception(error)

    def _opened_backend(self) -> Any:
        if self._backend is None:
            self._backend = self._find_backend()
        return self._backend

    def _find_backend(self) -> Any:
        from keyring.core import get_keyring, load_keyring

        if self._backend_name:
            try:
                return load_keyring(self._backend_name)
            except (ImportError, AttributeError):
                raise self._error(
                    f"there is no backend {self._backend_name}", "List them: keyring --list-backends"
                ) from None
        backend = get_keyring()
        module = type(backend).__module__
        if module.startswith(_UNUSABLE):
            raise self._error(
                "this machine has no keyring that can be used",
                "Start one (gnome-keyring, KWallet), or use age: or env: on a server.",
            )
        if module.startswith(_MAY_BE_PLAIN):
            name = f"{module}.{type(backend).__qualname__}"
            raise self._error(
                f"the only keyring here is {name}, which may keep passwords in a plain file",
                f"If you want that, name it: {self.name.partition('?')[0]}?backend={name}",
            )
        return backend

    def _backend_error(self, error: Exception) -> SecretProviderError:
        names = {kind.__name__ for kind in type(error).__mro__}
        if "KeyringLocked" in names:
            return self._error("the keyring is locked", "Unlock it on the desktop.", is_transient=True)
        if "NoKeyringError" in names:
            return self._error("this machine has no keyring that can be used", "Use age: or env: on a server.")
        is_transient = bool({"InitError", "OSError"} & names)
        return self._error(
            f"the keyring does not do it ({type(error).__name__})",
            f"Try it: keyring get {self._service!r} NAME",
            is_transient=is_transient,
        )

    def _error(self, problem: str, hint: str, *, is_transient: bool = False) -> SecretProviderError:
        return SecretProviderError(f"{problem}\nin {self.name}", hint=hint, transient=is_transient)


class KeyringKind:
    """Secrets of the desktop's keyring."""

    form = "keyring:SERVICE"
    extra = "keyring"
    is_local = False

    def check_address(self, rest: str) -> None:
        """Do nothing if this may follow the scheme."""
        self._parse(rest)

    def open_provider(self, rest: str, place: ProviderPlace) -> KeyringProvider:
        """Return the provider. Raises ModuleNotFoundError for its library."""
        address, backend = self._parse(rest)
        if find_spec("keyring") is None:
            raise ModuleNotFoundError("no keyring", name="keyring")
        return KeyringProvider(address.text, address.target, backend)

    def _parse(self, rest: str) -> tuple[ProviderAddress, str]:
        address = ProviderAddress.of(rest, self.form)
        backend = address.parameters("backend").get("backend", "")
        if not _SERVICE.fullmatch(address.target):
            raise address.invalid("it does not name a service")
        if backend and not _BACKEND.fullmatch(backend):
            raise address.invalid("backend= is not the name of one, such as keyring.backends.SecretService.Keyring")
        return address, backend


PROVIDER: Final[SecretProviderKind] = KeyringKind()
