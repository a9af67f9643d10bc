"""Which values of secrets senders are checked by."""

import logging

from mainspring.integrations import verify
from mainspring.resources.secret_store import SecretStore
from mainspring.web.webhooks.verifier_secrets import VerifierSecrets
from tests.hook_samples import STANDARD_SECRET


def test_bad_line_of_a_secret_is_omitted_and_reported_once_without_its_text(caplog):
    """The others count on: a slip during a rotation shuts no one out."""
    env = {"MAINSPRING_SECRET_STD": f"whsec_!!slip!!\n{STANDARD_SECRET}\n", "MAINSPRING_SECRET_BAD": "whsec_!!slip!!"}
    values = VerifierSecrets(SecretStore.of(None, env))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert values.of(verify.standard("STD")) == (STANDARD_SECRET,)
    assert caplog.text.count("value 1 of 2 of the secret 'STD' is ignored") == 1
    assert values.of(verify.standard("BAD")) is None
    assert values.of(verify.standard("BAD", "STD")) == (STANDARD_SECRET,)
    assert values.of(verify.github("STD")) == ("whsec_!!slip!!", STANDARD_SECRET)
    assert "slip" not in caplog.text


def test_secret_that_is_not_set_leaves_the_others(caplog):
    """None only where nothing is there to check by; no one needs one where anyone may send."""
    values = VerifierSecrets(SecretStore.of(None, {"MAINSPRING_SECRET_NEW": "n"}))
    assert values.of(verify.github("NEW", "OLD")) == ("n",)
    assert values.of(verify.github("OLD")) is None
    assert values.of(verify.none()) == ()
    assert "MAINSPRING_SECRET_OLD" in caplog.text
