"""Checks of traces and metrics, and of the collector that receives them."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def check_traces(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that workers can send to a configured collector, with the headers that it requires."""
    from mainspring.alerting.otlp.attributes import check_installed
    from mainspring.alerting.otlp.collector import read_headers
    from mainspring.domain.duration import format_duration
    from mainspring.domain.errors import ConfigError
    from mainspring.resources.error_text import ErrorText

    otel = invocation.settings.otel
    if otel.endpoint is None and otel.metrics_every is not None:
        fix = 'Set the collector: otel.endpoint = "http://127.0.0.1:4318", or remove otel.metrics_every.'
        yield CheckResult("traces", "warning", "no metrics are sent: otel.endpoint is not set", fix)
        return
    if otel.endpoint is None:
        yield make_ok_result("traces", "none are sent: otel.endpoint is not set")
        return
    secrets = invocation.secrets
    try:
        check_installed()
        if otel.headers_secret is not None:
            read_headers(secrets.get(otel.headers_secret.removeprefix("secret:")), ErrorText(secrets))
    except ConfigError as error:
        yield CheckResult("traces", "problem", f"no traces are sent: {error.message}", error.hint or "")
        return
    address = urlsplit(otel.endpoint)
    if otel.headers_secret is not None and address.scheme == "http" and address.hostname not in _LOCAL_HOSTS:
        fix = "Write https:// in otel.endpoint, or send to a collector on this machine."
        yield CheckResult("traces", "warning", "the headers for the collector are sent unencrypted", fix)
        return
    metrics_note = (
        "" if otel.metrics_every is None else f", watchers metrics every {format_duration(otel.metrics_every)}"
    )
    yield make_ok_result("traces", f"workers send them to {otel.endpoint}{metrics_note}")
