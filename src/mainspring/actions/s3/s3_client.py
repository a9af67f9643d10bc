"""The client of S3: how an action finds the server and signs its requests.

Invariants: credentials are named, never written into arguments; without `credentials=` boto3 finds them as every program of AWS does.
"""

from typing import Any, TypedDict

from mainspring.actions.base.action_options import require_known_options
from mainspring.actions.base.project_settings import SECRET_PREFIX, read_secret_option
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ConfigError, OptionError
from mainspring.integrations.base.aws_address import AWS_ENDPOINT
from mainspring.integrations.s3.s3_connection import connect_s3, require_boto3
from mainspring.resources.known_secrets import KNOWN_SECRETS


class S3Options(TypedDict, total=False):
    """The options of a connection to S3.

    `region`, `endpoint` = the region, and the address of another server than Amazon's. `credentials` = `"secret:NAME"`, whose value is
    ACCESS_KEY:SECRET_KEY, or with a third part :SESSION_TOKEN. What is not given comes from the environment, the profile or the role, as
    for every program of AWS. `timeout` = the longest silence of the server (60 s).
    """

    region: str
    endpoint: str
    credentials: str
    timeout: SpanInput


def make_client(action: str, options: S3Options) -> Any:
    """Return a client of boto3. Any thread may use it.

    Raises:
        OptionError, UnknownOptionError: an option cannot be used.
        ConfigError: boto3 is not installed, or the secret is not set.
    """
    require_known_options(action, options, S3Options.__annotations__)
    require_boto3(action)
    endpoint = options.get("endpoint")
    if endpoint is not None and not AWS_ENDPOINT.fullmatch(endpoint):
        raise OptionError("endpoint= is not an address", hint='Write such as endpoint="https://s3.example.com".')
    keys = _read_credentials(options.get("credentials"))
    timeout_s = parse_duration(options.get("timeout", "60s")).total_seconds()
    try:
        return connect_s3(options.get("region"), endpoint, keys, read_timeout_s=timeout_s)
    except ValueError as error:  # such as a profile that does not exist
        text = KNOWN_SECRETS.redact(str(error))
        raise ConfigError(
            f"{action}: the client of S3 cannot be made: {text}", hint="Check region= and ~/.aws."
        ) from None


def _read_credentials(source: str | None) -> dict[str, str]:
    """Return the credentials as boto3 names them. Errors do not repeat the value."""
    if source is None:
        return {}
    parts = read_secret_option("credentials", source, form="ACCESS_KEY:SECRET_KEY").strip().split(":", 2)
    if len(parts) < 2 or not all(parts):
        raise ConfigError(
            f"the secret {source.removeprefix(SECRET_PREFIX)!r} has no credentials of S3",
            hint="Set it to ACCESS_KEY:SECRET_KEY, or ACCESS_KEY:SECRET_KEY:SESSION_TOKEN.",
        )
    KNOWN_SECRETS.add(parts[1:])
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return dict(zip(names, parts, strict=False))
