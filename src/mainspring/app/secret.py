"""`ms.secret`: a secret by its name, in steps, tasks, scripts and plain programs. Its value is read in the moment of use."""

import asyncio
import hmac
from collections.abc import Generator
from typing import Any, NoReturn

from mainspring.domain.secrets.errors import SecretUseError, require_secret_name
from mainspring.domain.secrets.secret_use import SecretRead
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, current_step


class Secret:
    """A secret by name, which is all that it displays. It cannot be formatted, compared, pickled or saved.

    One object is for one place of use: `refresh` refers to the value that this object revealed last.
    """

    __slots__ = ("_used", "name")

    def __init__(self, name: str) -> None:
        self.name = require_secret_name(name)
        self._used: SecretRead | None = None

    def __repr__(self) -> str:
        return f"<secret {self.name!r}>"

    def reveal(self) -> str:
        """Return the value of now. Each use of a version by an attempt is on record.

        In an event loop it blocks while a provider on a server answers for the first time: write `await secret` before it.

        Raises:
            SecretNotAllowedError: the option secrets= of the automation does not list it.
            UnknownSecretError: no provider has it.
            SecretProviderError: its provider does not answer, or it cannot be used.
            NotInStepError: in the body of a workflow.
        """
        return self._read(None).value

    def refresh(self) -> bool:
        """Read it again past the cache, because a target refused the last revealed value; return whether the value is another one now.

        Raises as `reveal` does.
        """
        refused = self._used.value if self._used is not None else self.reveal()
        return self._read(refused).value != refused

    def matches(self, text: str) -> bool:
        """Return whether a text is the value, in constant time. Raises as `reveal` does."""
        return hmac.compare_digest(self.reveal().encode(), text.encode("utf-8", "surrogatepass"))

    def __await__(self) -> Generator[Any, None, "Secret"]:
        """Read the value in a thread, so that the next `reveal` does not wait."""
        yield from asyncio.to_thread(self.reveal).__await__()
        return self

    def _read(self, instead_of: str | None) -> SecretRead:
        self._used = read_secret(self.name, instead_of=instead_of)
        return self._used

    def __format__(self, spec: str) -> str:
        """Refuse. Raises SecretUseError."""
        return self._refuse("formatted into text")

    def __eq__(self, other: object) -> bool:
        """Refuse to compare with anything but the same object. Raises SecretUseError."""
        if other is not self:
            self._refuse("compared", f'Compare its value in constant time: ms.secret("{self.name}").matches(text)')
        return True

    __hash__ = None  # type: ignore[assignment] # it is no key of a dictionary

    def __bytes__(self) -> bytes:
        """Refuse. Raises SecretUseError."""
        return self._refuse("converted to bytes")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse. Raises SecretUseError."""
        self._refuse("copied or pickled", f'Create it where it is needed: ms.secret("{self.name}")')

    def _refuse(self, use: str, hint: str | None = None) -> NoReturn:
        raise SecretUseError(self.name, use, hint)


def secret(name: str) -> Secret:
    """Return the secret of this name, for the moment of use: `ms.secret("STRIPE").reveal()`.

    The value comes from the first provider of `secrets.providers` that has it, and a rotated one counts from the next `reveal` on.

    Raises:
        ConfigError: it is not a valid name.
    """
    return Secret(name)


def read_secret(name: str, *, instead_of: str | None = None) -> SecretRead:
    """Return a secret for the code that runs now: a step, or a program. Raises as `Secret.reveal` does."""
    if IN_BODY.get():
        current_step("secret().reveal()")
    step = CURRENT_STEP.get()
    if step is not None:
        return step.channel.read_secret(name, instead_of)
    from mainspring.app.program_secrets import program_secrets  # it opens the project

    return program_secrets().read(name, instead_of=instead_of)


class CurrentSecrets:
    """Reads secrets for the code that runs now, by name."""

    def get(self, name: str) -> str:
        """Return the value. Raises as `Secret.reveal` does."""
        return read_secret(name).value

    def read(self, name: str, *, instead_of: str | None = None) -> SecretRead:
        """Return the secret; `instead_of` = a value that a target refused. Raises as `Secret.reveal` does."""
        return read_secret(name, instead_of=instead_of)
