"""Check of the sign-in by an identity provider."""

from collections.abc import Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result

_PROVIDER_FIX = "Check issuer, client_id and roles in [web.oidc]: mainspring docs show sign-in"


def check_provider(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that people can sign in by a configured provider: all that it needs is there."""
    from mainspring.domain.access.oidc import check_installed
    from mainspring.domain.errors import ConfigError

    settings = invocation.settings
    oidc = settings.web.oidc
    needed = {"issuer": oidc.issuer, "client_id": oidc.client_id, "roles": oidc.roles}
    missing = [name for name, value in needed.items() if not value]
    if len(missing) == len(needed):
        yield make_ok_result("provider", "none: people sign in by name and password")
        return
    if missing:
        text = f"no one can sign in by the identity provider: [web.oidc] has no {' and no '.join(missing)}"
        yield CheckResult("provider", "warning", text, _PROVIDER_FIX)
        return
    try:
        check_installed()
        if oidc.client_secret is not None:
            invocation.secrets.get(oidc.client_secret.removeprefix("secret:"))
    except ConfigError as error:
        text = f"no one can sign in by the identity provider: {error.message}"
        yield CheckResult("provider", "problem", text, error.hint or "")
        return
    yield make_ok_result("provider", f"people can also sign in by {oidc.issuer}")
