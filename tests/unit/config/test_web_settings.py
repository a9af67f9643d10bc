"""`[web]` and `[hooks]`: under which address others find them."""

import pytest

from mainspring.config.web_settings import HooksSettings, WebSettings


@pytest.mark.parametrize("kind", [WebSettings, HooksSettings])
def test_address_is_what_others_see(kind):
    """The public address wins; else where the listener is bound, as this machine reaches it."""
    assert kind(public_url="https://ops.example.com", bind="127.0.0.1:1").seen_as == "https://ops.example.com"
    assert kind(bind="0.0.0.0:7172").seen_as == "http://127.0.0.1:7172"
    assert kind(bind="[::]:7172").seen_as == "http://[::1]:7172"
    assert kind(bind="box:7172").seen_as == "http://box:7172"
