"""`/secrets`: names with provider, version and use, on the page, in its export and in the API; values nowhere."""

import pytest

from mainspring.app.setup.secrets import make_secret_store
from mainspring.config import Settings
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.integrations.secrets.age_secrets import AgeSecrets
from mainspring.store.commands.secrets import RecordSecretUses

pytestmark = pytest.mark.asyncio

VALUE, NEXT = "value-of-the-page-3344", "next-of-the-page-5566"


async def test_page_names_secrets_and_displays_no_value(world, tmp_path):
    """An operator sees it, a viewer does not; a version in its grace time is named too."""
    assert "secrets set NAME" in await world.get("/secrets")
    file = AgeSecrets(tmp_path / "secrets.age", tmp_path / "secrets.key", world.clock.now)
    file.init()
    file.write("STRIPE", VALUE)
    file.rotate("STRIPE", NEXT, grace_ms=60_000)
    settings = Settings(folder=tmp_path)
    world.use(settings)
    world.site.secrets.entries = make_secret_store(settings, env={}, clock=world.clock).entries
    use = SecretUse(
        secret="STRIPE", version="v2", provider=file.name, actor="worker a", automation="pay", step="charge"
    )
    world.store.apply(RecordSecretUses(1, (use,)))
    page = await world.get("/secrets")
    for text in ("STRIPE", "v2", "(and v1)", "pay/charge", "age:"):
        assert text in page
    browser = await world.browser()
    export = (await browser.get("/secrets?format=json")).text
    answer = (await browser.get("/api/v1/secrets")).json()
    assert [(line["name"], line["version"], line["older"]) for line in answer["items"]] == [("STRIPE", "v2", "v1")]
    for text in (page, export, str(answer)):
        assert VALUE not in text
        assert NEXT not in text
    await world.get("/secrets", who="vic", status=403)
