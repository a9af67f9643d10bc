"""Secrets of a real OpenBao through the configuration of a project, as programs and people read them."""

import pytest

import mainspring as ms
from mainspring.app.project import Project
from mainspring.domain.errors import MainspringError
from mainspring.resources.known_secrets import KNOWN_SECRETS
from tests.secret_providers.bao_target import ROOT, BaoTarget
from tests.secret_providers.targets import start_target

pytestmark = pytest.mark.xdist_group("secrets-vault")


@pytest.fixture
def bao(secret_targets, tmp_path_factory) -> BaoTarget:
    if "vault" not in secret_targets:
        secret_targets["vault"] = start_target("vault", tmp_path_factory.mktemp("secrets"))
    return secret_targets["vault"]


@pytest.fixture
def prefix(bao, tmp_path, monkeypatch) -> str:
    """A project whose only provider is the Vault; its answers are cached for so short a time that each read asks again."""
    prefix = bao.new_prefix()
    config = f'[secrets]\ncache_for = "1s"\nproviders = ["{bao.address(prefix)}"]\n'
    (tmp_path / "mainspring.toml").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAO_TOKEN", ROOT)
    monkeypatch.setattr(Project, "_newest", None)
    return prefix


class _FastClock:
    """A clock on which a minute passes between two looks."""

    minutes = 0

    def now(self) -> int:
        self.minutes += 1
        return self.minutes * 60_000


def test_program_reads_new_values_and_the_last_known_one_in_an_outage(bao, prefix, monkeypatch):
    """A rotated value counts, an outage does not stop the program, and neither value nor token is ever printed."""
    monkeypatch.setattr(Project.current().secrets, "_clock", _FastClock())
    bao.put(prefix, "STRIPE", "first-value-of-stripe")
    secret = ms.secret("STRIPE")
    assert secret.reveal() == "first-value-of-stripe"
    bao.put(prefix, "STRIPE", "second-value-of-stripe")
    assert secret.refresh()
    assert secret.reveal() == "second-value-of-stripe"
    bao.cut()
    try:
        assert secret.reveal() == "second-value-of-stripe"
        (outage,) = Project.current().secrets.outages.values()
        assert outage.names == ("STRIPE",)
        with pytest.raises(MainspringError, match="cannot be reached"):
            ms.secret("OTHER").reveal()
    finally:
        bao.restore()
    assert secret.reveal() == "second-value-of-stripe"
    assert Project.current().secrets.outages == {}
    text = f"first-value-of-stripe second-value-of-stripe {ROOT}"
    assert "value" not in KNOWN_SECRETS.redact(text)
    assert "root" not in KNOWN_SECRETS.redact(text)
    Project.current().secrets.close()


def test_unknown_secret_names_the_nearest_one_of_the_vault(bao, prefix):
    """A typing error is found without a look into the Vault."""
    bao.put(prefix, "STRIPE", "value-of-stripe")
    with pytest.raises(MainspringError, match="'STRIPP' is not set") as unknown:
        ms.secret("STRIPP").reveal()
    assert "STRIPE" in str(unknown.value)
    assert "mainspring secrets set STRIPP" in str(unknown.value)
    Project.current().secrets.close()
