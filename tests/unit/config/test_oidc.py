"""`[web.oidc]`: a provider of identities, its secret by name only, and the roles of groups whatever these are called."""

import pytest

from mainspring.config import load
from mainspring.domain.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    """Load the section's text."""

    def read(text):
        (tmp_path / "mainspring.toml").write_text(f"[web.oidc]\n{text}\n")
        return load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234).web.oidc

    return read


def test_group_may_be_called_like_a_secret(read):
    """Beside it stands a role."""
    found = read('roles = { token-admins = "admin", secrets = "viewer" }')
    assert found.roles == {"token-admins": "admin", "secrets": "viewer"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('client_secret = "hidden"', "must not contain a secret"),
        ('client_secret = "secret:"', 'Write "secret:NAME"'),
        ('roles = { ops = "boss" }', "Known: admin, operator, viewer."),
        ('issuer = "login.example.com"', 'Write "https://login.example.com"'),
        ('isuer = "https://login.example.com"', "Did you mean web.oidc.issuer?"),
    ],
)
def test_slip_is_reported_with_key_line_and_fix(read, tmp_path, line, reason):
    """Whatever it is."""
    with pytest.raises(ConfigError) as refused:
        read(line)
    text = f"{refused.value.message} {refused.value.hint}"
    assert "web.oidc" in text
    assert f"{tmp_path}/mainspring.toml:2" in text
    assert reason in text
    assert "hidden" not in text
