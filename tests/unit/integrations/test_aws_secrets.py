"""Answers of AWS that no server of the tests gives: which of them pass by themselves, and what a person has to do."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ProfileNotFound,
    SSLError,
    UnauthorizedSSOTokenError,
)

from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secrets.aws_secrets import AwsSecretsProvider

_CANARY = "canary-session-token"


def _answer(code, status=400):
    response = {"Error": {"Code": code, "Message": f"x-amz-security-token:{_CANARY}"}}
    return ClientError(response | {"ResponseMetadata": {"HTTPStatusCode": status}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("error", "is_transient", "problem"),
    [
        (_answer("ExpiredTokenException"), False, "session of the AWS credentials has ended"),
        (_answer("UnrecognizedClientException"), False, "refuses the credentials"),
        (_answer("InvalidSignatureException"), False, "refuses the credentials"),
        (_answer("AccessDeniedException"), False, "does not allow secretsmanager:GetSecretValue on billing/A"),
        (_answer("DecryptionFailure"), False, "does not allow"),
        (_answer("ThrottlingException"), True, "ThrottlingException"),
        (_answer("InternalServiceError", 500), True, "InternalServiceError"),
        (_answer("", 503), True, "503"),
        (SSLError(endpoint_url="https://x", error=_CANARY), False, "certificate of Secrets Manager in eu-west-1"),
        (ConnectTimeoutError(endpoint_url="https://x"), True, "cannot be reached"),
        (NoCredentialsError(), False, "no AWS credentials here"),
        (ProfileNotFound(profile="prod"), False, "no AWS credentials here"),
        (UnauthorizedSSOTokenError(), False, "session of the AWS credentials has ended"),
    ],
)
def test_answer_of_aws_is_transient_or_names_the_fix(error, is_transient, problem, monkeypatch):
    """The text of a refused signature contains the session token, and is not quoted."""

    class Client:
        def get_secret_value(self, **arguments):
            raise error

    provider = AwsSecretsProvider("aws:eu-west-1/billing", "eu-west-1", "billing")
    monkeypatch.setattr(provider, "_make_client", Client)
    with pytest.raises(SecretProviderError, match=problem) as raised:
        provider.read("A")
    assert raised.value.transient == is_transient
    assert "aws:eu-west-1/billing" in raised.value.message
    assert raised.value.hint
    assert _CANARY not in str(raised.value)


def test_entry_that_is_about_to_be_deleted_is_explained(monkeypatch):
    """The message of AWS says what to do, and holds no secret."""

    class Client:
        def get_secret_value(self, **arguments):
            error = {"Code": "InvalidRequestException", "Message": "it was marked for deletion"}
            raise ClientError({"Error": error}, "GetSecretValue")

    provider = AwsSecretsProvider("aws:eu-west-1", "eu-west-1", "")
    monkeypatch.setattr(provider, "_make_client", Client)
    with pytest.raises(SecretProviderError, match="marked for deletion"):
        provider.read("A")
