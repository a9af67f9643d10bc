"""Errors of code that reads a secret, or uses its object as if it were text. None of them has a value."""

from collections.abc import Iterable

from mainspring.domain.errors import ConfigError, MainspringError, UnknownNameError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SECRET_NAME_HINT
from mainspring.domain.text.escaping import escape


class UnknownSecretError(ConfigError):
    """No provider has the secret; the nearest known name is in the hint."""

    code = "unknown_secret"

    def __init__(self, name: str, known: Iterable[str], setup: str) -> None:
        nearest = UnknownNameError("secret", name, known).nearest
        near = f"Did you mean {nearest!r}? " if nearest else ""
        super().__init__(f"the secret {name!r} is not set", hint=f"{near}{setup}")


class SecretNotAllowedError(MainspringError):
    """The automation may not read the secret."""

    code = "secret_not_allowed"

    def __init__(self, name: str, automation: str, allowed: Iterable[str] | None) -> None:
        names = sorted(allowed or ())
        # Without a "=" after the word: the redactor takes that for a secret.
        reason = f"its list of secrets has {', '.join(names)}" if names else "its list of secrets is empty"
        if allowed is None:
            reason = "it has no list of secrets, and this project requires one (secrets.access)"
        super().__init__(
            f"the automation {automation!r} may not read the secret {name!r}: {reason}",
            hint=f"If it needs the secret, add {name!r} to the option `secrets` of its definition, and restart its workers.",
        )


class SecretUseError(MainspringError, TypeError):
    """The object of a secret was used as if it were its value."""

    code = "secret_use"

    def __init__(self, name: str, use: str, hint: str | None = None) -> None:
        super().__init__(
            f"the secret {name!r} was {use}",
            hint=hint or f'Pass its value where it is needed: ms.secret("{name}").reveal()',
        )


def require_secret_name(name: object) -> str:
    """Return a valid name of a secret. Raises ConfigError."""
    if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
        text = name[:100] if isinstance(name, str) else escape(repr(name), 60)
        raise ConfigError(f"{text!r} is not a valid name of a secret", hint=SECRET_NAME_HINT)
    return name
