"""`[otel]` of the configuration: where traces go."""

from typing import Annotated

from msgspec import Meta, Struct

OtlpEndpoint = Annotated[str, Meta(title="otlp endpoint")]
SecretName = Annotated[str, Meta(pattern=r"^secret:[A-Za-z][A-Za-z0-9_.-]{0,99}$")]
ServiceName = Annotated[str, Meta(min_length=1, max_length=100)]


class OtelSettings(Struct, frozen=True, kw_only=True):
    """`[otel]`: no traces until `endpoint` names a collector, without `/v1/traces`. `headers_secret` = `secret:NAME`."""

    endpoint: OtlpEndpoint | None = None
    headers_secret: SecretName | None = None
    service: ServiceName = "mainspring"
