"""OpenFeature: flags of a company's own provider, such as LaunchDarkly, flagd or GrowthBook (extra `flags`)."""

from typing import Any

import msgspec

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.flags.flag import (
    FlagAnswer,
    FlagKind,
    FlagProviderError,
    FlagQuestion,
    FlagReason,
    FlagSide,
    kind_of,
)
from mainspring.domain.flags.flag_question import read_value

_DOMAIN = "mainspring"
_TYPE_MISMATCH = "TYPE_MISMATCH"
_METHODS: tuple[tuple[FlagKind, str, object], ...] = (
    (FlagKind.BOOLEAN, "get_boolean_details", False),
    (FlagKind.STRING, "get_string_details", ""),
    (FlagKind.NUMBER, "get_integer_details", 0),
    (FlagKind.NUMBER, "get_float_details", 0.0),
    (FlagKind.JSON, "get_object_details", {}),
)
"""The methods of a client by type, each with an empty value of its type: code without a default has any type."""


class OpenFeatureSource:
    """Answers by a provider of OpenFeature. `provider` = an object with the methods of its `AbstractProvider`."""

    def __init__(self, provider: Any) -> None:
        try:
            from openfeature import api
        except ImportError as error:
            raise ConfigError(
                "`flags.provider` needs the SDK of OpenFeature, which is not installed", hint=install_command("flags")
            ) from error
        api.set_provider(provider, _DOMAIN)
        self._client = api.get_client(_DOMAIN)

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question by the methods for the type of its default.

        Raises:
            FlagProviderError: the provider has no such flag, or none of this type, or it failed.
        """
        from openfeature.evaluation_context import EvaluationContext

        default = read_value(question.default)
        context = EvaluationContext(question.key, dict(question.attributes))
        details: Any = None
        kind = kind_of(default)
        for of_kind, method, empty in _METHODS:
            if kind not in (None, of_kind):
                continue
            ask = getattr(self._client, method)
            details = ask(question.flag, empty if default is None else default, context)
            if details.error_code is None or details.error_code.value != _TYPE_MISMATCH:
                break
        if details.error_code is not None:
            raise FlagProviderError(f"{details.error_code.value}: {details.error_message or 'no reason is stated'}")
        value = details.value
        is_on = value if isinstance(value, bool) else value != default
        return FlagAnswer(
            msgspec.json.encode(value).decode(), FlagSide.ON if is_on else FlagSide.OFF, FlagReason.PROVIDER
        )
