"""Message actions with a secret that was rotated while the cache still has the old value: they read it again, and send once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.actions import email, pagerduty, slack
from mainspring.app.project import Project
from mainspring.domain.errors import Permanent
from mainspring.integrations.secrets.folder_secrets import FolderSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from tests.unit.actions.message_servers import serving_in_thread, serving_mail
from tests.unit.alerting.peer import PagerDutyPeer, Peer, SlackPeer

pytestmark = [
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated"),  # those of aiosmtpd
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]
NAME = "ROTATED"
HOOK = "canary-webhook-7d1b"


class HookPeer(Peer):
    """An incoming webhook of Slack; another path is gone."""

    def answer(self, path: str, headers: Any, body: bytes) -> Any:
        return (200, {}, b"ok") if HOOK in path else (404, {}, b"no_service")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderSecrets:
    """A provider whose values are cached for five minutes."""
    monkeypatch.setenv("MAINSPRING_CONFIG", str(tmp_path / "mainspring.toml"))
    (tmp_path / "mainspring.toml").write_text("")
    secrets = FolderSecrets(tmp_path / "secrets")
    Project.find().secrets = SecretStore([ProviderEntry(secrets, is_local=False)])
    return secrets


Case = tuple[str, str, Callable[[], Any], Callable[[], int]]


@pytest.fixture(params=["bot", "webhook", "pagerduty", "mail"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """A server: an old value that it refuses, the new one, a call, and how many messages have arrived."""
    if request.param == "mail":
        with serving_mail(password="the-new-password") as box:
            server = f"smtp://secret:{NAME}@127.0.0.1:{box.port}?from=ms@example.com"
            yield (
                "robot:the-old-password",
                "robot:the-new-password",
                lambda: email.send(to="a@example.com", subject="Report", text="text", server=server),
                lambda: len(box.mails),
            )
        return
    kind = {"bot": SlackPeer, "pagerduty": PagerDutyPeer}.get(request.param, HookPeer)
    with serving_in_thread(kind()) as peer:
        yield {
            "bot": (
                "xoxb-old-token",
                getattr(peer, "TOKEN", ""),
                lambda: slack.post("#ops", "a", server=f"slack://secret:{NAME}?api={peer.url}/api"),
                lambda: len(peer.visible_messages),
            ),
            "webhook": (
                f"{peer.url}/old-address",
                f"{peer.url}/{HOOK}",
                lambda: slack.post("#ops", "a", server=f"slack://secret:{NAME}"),
                lambda: sum(HOOK in path for path, _, _ in peer.requests),
            ),
            "pagerduty": (
                "old-routing-key-old-routing-key-0",
                getattr(peer, "KEY", ""),
                lambda: pagerduty.trigger("a", server=f"pagerduty://secret:{NAME}?api={peer.url}"),
                lambda: len(peer.alerts),
            ),
        }[request.param]


def test_refused_secret_is_read_again_once(case: Case, folder: FolderSecrets) -> None:
    """With the same value the refusal counts."""
    old, new, call, count = case
    folder.write(NAME, old)
    with pytest.raises(Permanent):
        call()
    assert count() == 0
    folder.write(NAME, new)
    call()
    assert count() == 1
