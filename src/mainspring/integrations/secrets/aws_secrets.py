"""AWS Secrets Manager: each secret is the text of one entry, with the versions AWSCURRENT and AWSPREVIOUS."""

import re
import threading
from importlib.util import find_spec
from typing import Any, Final

from mainspring.domain.errors import SecretProviderError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.aws_address import AWS_ENDPOINT, AWS_REGION
from mainspring.integrations.base.secret_provider import SecretValue, require_name
from mainspring.integrations.secret_providers import ProviderPlace, SecretProviderKind
from mainspring.integrations.secrets.provider_address import ProviderAddress

_PREFIX = lazy_pattern(r"[A-Za-z0-9/_+=.-]{0,400}", re.ASCII)
_XML_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_CREDENTIALS_REFUSED = frozenset(
    "UnrecognizedClientException InvalidClientTokenId InvalidSignatureException SignatureDoesNotMatch"
    " IncompleteSignature MissingAuthenticationToken AuthFailure InvalidAccessKeyId".split()
)
_TOKEN_ENDED = frozenset({"ExpiredTokenException", "ExpiredToken", "RequestExpired"})
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "DecryptionFailure", "EncryptionFailure"})
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "InternalServiceError"})


class AwsSecretsProvider:
    """The entries of one region whose names start with a prefix."""

    def __init__(self, name: str, region: str, prefix: str, *, endpoint: str = "", profile: str = "") -> None:
        self.name = name
        self._region = region
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint
        self._profile = profile
        self._lock = threading.Lock()
        self._client: Any = None
        self._is_closed = False

    def read(self, name: str) -> SecretValue | None:
        """Return the version AWSCURRENT; None if there is no such entry."""
        if not SECRET_NAME.fullmatch(name):
            return None
        current = self._read_stage(name, "AWSCURRENT")
        if current is None:
            return None
        previous = self._read_stage(name, "AWSPREVIOUS")
        return SecretValue(
            self._decode(name, current),
            version=current["VersionId"],
            previous=None if previous is None else self._decode(name, previous),
        )

    def list_names(self) -> list[str] | None:
        """Return the names of the entries below the prefix."""
        filters = [{"Key": "name", "Values": [self._prefix]}] if self._prefix else []
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._call("list_secrets", "secretsmanager:ListSecrets", Filters=filters, **token)
            found += [str(entry["Name"]) for entry in page["SecretList"]]
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        names = [text.removeprefix(self._prefix) for text in found if text.startswith(self._prefix)]
        return sorted(name for name in names if SECRET_NAME.fullmatch(name))

    def write(self, name: str, value: str) -> str:
        """Store a new version; the one before becomes AWSPREVIOUS."""
        require_name(name, self.name)
        entry = self._prefix + name
        answer = self._call(
            "put_secret_value", f"secretsmanager:PutSecretValue on {entry}", SecretId=entry, SecretString=value
        )
        if answer is None:
            answer = self._call(
                "create_secret", f"secretsmanager:CreateSecret on {entry}", Name=entry, SecretString=value
            )
        return str(answer["VersionId"])

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._is_closed = True

    def _decode(self, name: str, entry: dict[str, Any]) -> str:
        text: str | None = entry.get("SecretString")
        try:
            return entry["SecretBinary"].decode() if text is None else text
        except UnicodeDecodeError:
            raise self._error(
                f"the secret {name!r} is binary and not text in UTF-8", "Store it as text, for example in base64."
            ) from None

    def _read_stage(self, name: str, stage: str) -> dict[str, Any] | None:
        entry = self._prefix + name
        found: dict[str, Any] | None = self._call(
            "get_secret_value", f"secretsmanager:GetSecretValue on {entry}", SecretId=entry, VersionStage=stage
        )
        return found

    def _call(self, operation: str, right: str, **arguments: Any) -> Any:
        """Return the answer, None for an entry that does not exist. `right` = the permission that it needs."""
        client = self._connected()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            message = str(error.response.get("Error", {}).get("Message", ""))
            in_xml = _XML_CODE.search(message)  # of a gateway or an emulator, where botocore expects JSON
            code = str(error.response.get("Error", {}).get("Code", "")) if in_xml is None else in_xml[1]
            if code == "ResourceNotFoundException":
                return None
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
            raise self._answer_error(code, message, status, right) from None
        except BotoCoreError as error:
            raise self._connection_error(error) from None

    def _connected(self) -> Any:
        with self._lock:
            if self._is_closed:
                raise self._error("it was closed", "Open it again.")
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        """Return a client. It finds its credentials like every program of AWS: in variables, profile or role."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}, tcp_keepalive=True)
        try:
            session = boto3.session.Session(profile_name=self._profile or None, region_name=self._region)
            return session.client("secretsmanager", endpoint_url=self._endpoint or None, config=config)
        except BotoCoreError as error:
            raise self._connection_error(error) from None

    def _answer_error(self, code: str, message: str, status: int, right: str) -> SecretProviderError:
        """Return the error for an answer. Its text is not quoted for credentials: that of a bad signature has the session token in it."""
        if code in _TOKEN_ENDED:
            return self._error("the session of the AWS credentials has ended", "Sign in again: aws sso login")
        if code in _CREDENTIALS_REFUSED:
            return self._error(
                f"AWS refuses the credentials ({code})", "Check whose they are: aws sts get-caller-identity"
            )
        if code in _DENIED:
            return self._error(
                f"AWS does not allow {right} ({code})",
                "Allow it in the policy of the role, and kms:Decrypt for its key.",
            )
        is_transient = code in _THROTTLED or status >= 500
        hint = "It passes by itself." if is_transient else "See the entry: aws secretsmanager describe-secret"
        text = "" if is_transient else f": {escape(message.partition(chr(10))[0], 300)}"
        return self._error(f"AWS answers {code or status} to {right}{text}", hint, is_transient=is_transient)

    def _connection_error(self, error: Exception) -> SecretProviderError:
        kind = type(error).__name__
        server = self._endpoint or f"Secrets Manager in {self._region}"
        if kind == "SSLError":
            return self._error(
                f"the certificate of {server} is not trusted", "Name the authority that signed it in AWS_CA_BUNDLE."
            )
        if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"):
            return self._error(
                f"no AWS credentials here ({kind})", "Set a profile or role: aws sts get-caller-identity shows them."
            )
        if "Token" in kind or "SSO" in kind:  # UnauthorizedSSOTokenError, SSOTokenLoadError, TokenRetrievalError
            return self._error("the session of the AWS credentials has ended", "Sign in again: aws sso login")
        if "Connect" in kind or "Timeout" in kind or kind in ("HTTPClientError", "ResponseStreamingError"):
            return self._error(f"{server} cannot be reached ({kind})", "Check the network.", is_transient=True)
        return self._error(f"{server} cannot be used ({kind})", "Check the region, endpoint= and profile=.")

    def _error(self, problem: str, hint: str, *, is_transient: bool = False) -> SecretProviderError:
        return SecretProviderError(f"{problem}\nin {self.name}", hint=hint, transient=is_transient)


class AwsSecretsKind:
    """Secrets of AWS Secrets Manager."""

    form = "aws:REGION/PREFIX"
    extra = "aws"
    is_local = False

    def check_address(self, rest: str) -> None:
        """Do nothing if this may follow the scheme."""
        self._parse(rest)

    def open_provider(self, rest: str, place: ProviderPlace) -> AwsSecretsProvider:
        """Return the provider. Raises ModuleNotFoundError for its library."""
        if find_spec("boto3") is None:  # importing it takes a third of a second
            raise ModuleNotFoundError("no boto3", name="boto3")
        return self._parse(rest)

    def _parse(self, rest: str) -> AwsSecretsProvider:
        address = ProviderAddress.of(rest, self.form)
        parameters = address.parameters("endpoint", "profile")
        region, _, prefix = address.target.partition("/")
        if not AWS_REGION.fullmatch(region):
            raise address.invalid("it does not start with a region, such as eu-central-1")
        if not _PREFIX.fullmatch(prefix):
            raise address.invalid("its prefix has characters that no entry has")
        endpoint = parameters.get("endpoint", "")
        if endpoint and not AWS_ENDPOINT.fullmatch(endpoint):
            raise address.invalid("endpoint= is not https://HOST:PORT")
        return AwsSecretsProvider(
            address.text, region, prefix.strip("/"), endpoint=endpoint, profile=parameters.get("profile", "")
        )


PROVIDER: Final[SecretProviderKind] = AwsSecretsKind()
