"""Settings and secrets of the project that this process has, as actions read them: there is no other way to them."""

from typing import TYPE_CHECKING

from mainspring.app.secret import CurrentSecrets
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SET_SECRET_HINT

if TYPE_CHECKING:
    from mainspring.app.project import Project

SECRET_PREFIX = "secret:"
CURRENT_SECRETS = CurrentSecrets()
"""The secrets of the step or program that runs now: each use is on record, and the list of its automation counts."""


def current_project() -> "Project":
    """Return the project of this process, or the one that its folder and environment name.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from mainspring.app.project import Project  # it imports the store, which no action needs to be imported

    return Project.current()


def read_secret(text: str) -> str:
    """Return the secret that `secret:NAME` names, or any other text unchanged. Mainspring hides the secret from here on.

    Raises:
        ConfigError, SecretNotAllowedError: the code that runs now cannot read the secret.
    """
    if not text.startswith(SECRET_PREFIX):
        return text
    return CURRENT_SECRETS.get(text.removeprefix(SECRET_PREFIX))


def read_secret_option(option: str, source: object, *, form: str = "") -> str:
    """Return the secret that the option of an action names. `form` = what its value is.

    Raises:
        OptionError: the option is no `secret:NAME`. The error does not repeat it, because it may be the secret itself.
        ConfigError, SecretNotAllowedError: the code that runs now cannot read the secret.
    """
    if not isinstance(source, str) or not source.startswith(SECRET_PREFIX):
        its_form = f" The value is {form}." if form else ""
        raise OptionError(
            f"{option}= does not name a secret", hint=f'Write {option}="secret:NAME". {SET_SECRET_HINT}{its_form}'
        )
    return read_secret(source)
