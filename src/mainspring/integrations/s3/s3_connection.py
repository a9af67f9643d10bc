"""A connection to S3: its client, and the meaning of its errors: for the actions, and for the blobs of a store."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command

_CONNECT_TIMEOUT_S: Final = 10
_ATTEMPTS: Final = 3
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_PRECONDITION_FAILED: Final = frozenset({"PreconditionFailed", "412"})


def require_boto3(user: str) -> None:
    """Check that boto3 is installed; `user` = what needs it. Raises ConfigError with the command that installs it."""
    try:
        import boto3  # noqa: F401
        import botocore  # noqa: F401
    except ModuleNotFoundError as missing:
        raise ConfigError(f"{user} needs {missing.name}, which is not installed", hint=install_command("aws")) from None


def connect_s3(
    region: str | None,
    endpoint: str | None,
    keys: Mapping[str, str],
    *,
    read_timeout_s: float,
    attempts: int = _ATTEMPTS,
) -> Any:
    """Return a client of boto3, which any thread may use. `keys` = the credentials as boto3 names them.

    What is not given comes from the environment, the profile or the role.

    Raises:
        ValueError: no client can be made, such as for a profile that does not exist.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=32,
    )
    try:
        return _make_session().client("s3", region_name=region, endpoint_url=endpoint, config=config, **keys)
    except BotoCoreError as error:
        raise ValueError(str(error)) from None


def is_missing(error: Exception) -> bool:
    """Return whether an error of boto3 says that there is no such object. A bucket that does not exist is another error."""
    return read_error_code(error) in _MISSING


def is_precondition_failed(error: Exception) -> bool:
    """Return whether an error of boto3 says that the object is not as the request demands."""
    return read_error_code(error) in _PRECONDITION_FAILED


def read_error_code(error: Exception) -> str:
    """Return the code of an error of boto3: that of the server, else the name of its class."""
    response: Any = getattr(error, "response", None)
    found = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(found or type(error).__name__)


def _make_session() -> Any:
    """Return a session, which reads the environment and the profile again; the descriptions of S3 are read once for a process."""
    import boto3
    import botocore.session

    session = botocore.session.get_session()
    session.register_component("data_loader", _make_loader())
    return boto3.session.Session(botocore_session=session)


@functools.cache
def _make_loader() -> Any:
    from botocore.loaders import Loader

    return Loader()
