"""Web settings, `[web]` and `[hooks]`: the addresses of the web process, and its limits."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

Bind = Annotated[str, Meta(title="bind")]
PublicUrl = Annotated[str, Meta(title="public url")]
Issuer = Annotated[str, Meta(title="issuer")]
AccessRole = Annotated[str, Meta(title="access role")]
ClaimName = Annotated[str, Meta(min_length=1, max_length=200)]
SecretName = Annotated[str, Meta(title="secret")]
Size = Annotated[int, Meta(title="size")]
ConnectionLimit = Annotated[int, Meta(ge=1, le=100_000)]
Network = Annotated[str, Meta(title="network")]
HostName = Annotated[str, Meta(title="host name")]

MIB = 1024 * 1024


class OidcSettings(Struct, frozen=True, kw_only=True):
    """`[web.oidc]`: a provider of identities for the sign-in; none until `issuer` and `client_id` are set.

    `client_secret` = `secret:NAME`. `roles` = the role of each group (of the claim `groups_claim`); a person in several has the highest
    one, a person in none may not sign in.
    """

    issuer: Issuer | None = None
    client_id: ClaimName | None = None
    client_secret: SecretName | None = None
    name_claim: ClaimName = "email"
    groups_claim: ClaimName = "groups"
    roles: dict[str, AccessRole] = {}


class WebSettings(Struct, frozen=True, kw_only=True):
    """`[web]`: the address of the web process (once loaded `host:port`), and the file of the token for its metrics.

    `public_url` is its address for people, without a slash at its end: links in messages begin so. `trusted_proxies` = proxies that may
    name the client; `allowed_hosts` = more names by which a listener on loopback may be called.
    """

    bind: Bind = "127.0.0.1:7171"
    public_url: PublicUrl | None = None
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    allowed_hosts: tuple[HostName, ...] = ()
    metrics_token_file: Path | None = None
    oidc: OidcSettings = OidcSettings()

    @property
    def seen_as(self) -> str:
        """The address of the pages for browsers, without a slash at its end."""
        return self.public_url or _local_url(self.bind)


class HooksSettings(Struct, frozen=True, kw_only=True):
    """`[hooks]`: the address for webhooks (once loaded `host:port`), and how many connections at once.

    `public_url` is its address for senders, without a slash at its end.
    """

    bind: Bind = "127.0.0.1:7172"
    public_url: PublicUrl | None = None
    max_body: Size = MIB
    at_once: ConnectionLimit = 256

    @property
    def seen_as(self) -> str:
        """Its address for senders, without a slash at its end."""
        return self.public_url or _local_url(self.bind)


def _local_url(bind: str) -> str:
    """Return the address of a listener on this machine: no client can call all addresses."""
    host, _, port = bind.rpartition(":")
    return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"  # noqa: S104 - compared, not bound
