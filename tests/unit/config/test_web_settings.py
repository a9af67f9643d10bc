"""`[web]` and `[hooks]`: under which address others find them, and a provider that is named in part."""

import pytest

from mainspring.config import load
from mainspring.config.web_settings import HooksSettings, WebSettings
from mainspring.domain.errors import ConfigError


@pytest.mark.parametrize("kind", [WebSettings, HooksSettings])
def test_address_is_what_others_see(kind):
    """The public address wins; else where the listener is bound, as this machine reaches it."""
    assert kind(public_url="https://ops.example.com", bind="127.0.0.1:1").seen_as == "https://ops.example.com"
    assert kind(bind="0.0.0.0:7172").seen_as == "http://127.0.0.1:7172"
    assert kind(bind="[::]:7172").seen_as == "http://[::1]:7172"
    assert kind(bind="box:7172").seen_as == "http://box:7172"


ISSUER, CLIENT = 'issuer = "https://login.example.com"\n', 'client_id = "mainspring"\n'


@pytest.mark.parametrize(
    ("text", "missing"), [(ISSUER, "client_id"), (CLIENT, "issuer"), ('name_claim = "sub"', "issuer")]
)
def test_provider_that_is_named_in_part_is_refused(tmp_path, text, missing):
    """Nobody could come in by it, and no page would say why."""
    file = tmp_path / "mainspring.toml"
    file.write_text(f"[web.oidc]\n{text}")
    with pytest.raises(ConfigError, match=f"of no use without web.oidc.{missing}") as caught:
        load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234)
    assert "mainspring.toml:" in str(caught.value)
    file.write_text(f"[web.oidc]\n{ISSUER}{CLIENT}")
    assert load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234).web.oidc.client_id == "mainspring"
