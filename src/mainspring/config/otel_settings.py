"""Settings of `[otel]`: the collector of traces and metrics."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

OtlpEndpoint = Annotated[str, Meta(title="otlp endpoint")]
SecretName = Annotated[str, Meta(title="secret")]
ExportInterval = Annotated[timedelta, Meta(title="sending span")]
ServiceName = Annotated[str, Meta(min_length=1, max_length=100)]


class OtelSettings(Struct, frozen=True, kw_only=True):
    """`[otel]`: no traces until `endpoint` names a collector, without `/v1/traces`. `headers_secret` = `secret:NAME`.

    `metrics_every` = how often watchers send all metrics there too, a second at least; None = never.
    """

    endpoint: OtlpEndpoint | None = None
    headers_secret: SecretName | None = None
    service: ServiceName = "mainspring"
    metrics_every: ExportInterval | None = None
