"""Upkeep of secrets: old versions are deleted once no attempt can have them, a day gets one digest, an outage is reported."""

import msgspec
import pytest

from mainspring.app.workers.secret_upkeep import SecretUpkeep
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import SecretProviderError
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.domain.states import AttemptState
from mainspring.integrations.secrets.age_secrets import AgeSecrets
from mainspring.integrations.secrets.env_secrets import EnvSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.rollouts import StartRollout
from mainspring.store.commands.runs import ClaimRuns, StartRun
from mainspring.store.commands.secrets import RecordSecretUses
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.secret_uses import list_secret_uses
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.store.sqlite.stores import StoppedClock

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def clock():
    return StoppedClock(20_000 * DAY_MS)


@pytest.fixture
def store(tmp_path, clock):
    store = SqliteStore(tmp_path / "state.db", clock=clock)
    store.open()
    yield store
    store.close()


class Server(EnvSecrets):
    """A provider on a server."""

    def __init__(self, place):
        super().__init__({"MAINSPRING_SECRET_A": "value-of-secret-a"})
        self.name, self.is_down = f"vault:{place}", False

    def read(self, name):
        if self.is_down:
            raise SecretProviderError(f"no answer\nin {self.name}", transient=True)
        return super().read(name)


def upkeep(clock, *providers):
    secrets = SecretStore([ProviderEntry(provider, is_local=False) for provider in providers], clock=clock)
    return secrets, SecretUpkeep(lambda: secrets, clock, is_listed_only=False)


def verbs(store, subject):
    return [row.verb for row in audit_page(store.reader, AuditFilter(subject=subject)).rows]


def test_digest_is_recorded_once_and_read_once(store, clock, monkeypatch):
    """After the end of the day, when no commit of it can come any more; not in each round of an hour."""
    days = []
    monkeypatch.setattr(
        "mainspring.service.secret.list_secret_uses",
        lambda *args: days.append(args[2] // DAY_MS) or list_secret_uses(*args),
    )
    _, runner = upkeep(clock)
    use = SecretUse(secret="A", version="v1", provider="age:x", actor="w", automation="pay", step="s")
    store.apply(RecordSecretUses(1, (use,)))
    for _ in range(26 * 4):
        runner.run(store)
        clock.now_at += HOUR_MS // 4
    assert days == [19_998, 19_999, 20_000]
    assert verbs(store, "secrets:uses") == ["digest"]


def test_old_version_is_deleted_after_its_grace_time(store, clock, tmp_path):
    """With a record, once."""
    file = AgeSecrets(tmp_path / "secrets.age", tmp_path / "secrets.key", clock.now)
    file.init()
    file.write("A", "the-old-value-of-a")
    file.rotate("A", "the-new-value-of-a", grace_ms=HOUR_MS)
    _, runner = upkeep(clock, file)
    for _ in range(3):
        runner.run(store)
        clock.now_at += HOUR_MS // 2
    assert [item.version for item in file.live_versions("A")] == ["v2"]
    runner.run(store)
    assert verbs(store, "secret:A") == ["retire"]


@pytest.mark.parametrize(("share", "is_retained"), [(1_000_000, True), (1, False)])
def test_old_version_is_retained_while_an_attempt_of_a_candidate_may_have_it(
    store, clock, tmp_path, share, is_retained
):
    """The version of the run says which secrets it may read, not the version in force."""
    file = AgeSecrets(tmp_path / "secrets.age", tmp_path / "secrets.key", clock.now)
    file.init()
    file.write("A", "the-old-value-of-a")
    store.open_session("worker")
    rows = []
    for version, names in ((1, ["B"]), (2, ["A"])):
        options = {"secrets": names}
        definition = Definition(kind=DefinitionKind.TASK, name="pay", version=version, options=options)
        data = msgspec.json.encode(definition.to_data())
        rows.append(AutomationRow("pay", "task", version, "f", data, is_candidate=version == 2))
    store.apply(AnnounceDefinitions("code", tuple(rows), ()))
    plan = {"steps": (share, 1_000_000), "hold_ms": 1, "in_flight": InFlightPolicy.FINISH, "age_ms": 1, "margin": 1}
    store.apply(
        StartRollout(automation="pay", new_version=2, **(plan if share < 1_000_000 else plan | {"steps": (share,)}))
    )
    store.apply(StartRun(id="r1", automation="pay", kind="task", version=1, input=b"{}", codec="json", trigger="test"))
    (run,) = store.apply(ClaimRuns("c1", 1)).runs
    store.apply(SaveAttempt("r1", run.claim, "s#1", "s", 0, 1, AttemptState.STARTED, 1, clock.now(), "s"))
    clock.now_at += 1
    file.rotate("A", "the-new-value-of-a", grace_ms=1)
    clock.now_at += HOUR_MS
    _, runner = upkeep(clock, file)
    runner.run(store)
    assert [item.version for item in file.live_versions("A")] == (["v2", "v1"] if is_retained else ["v2"])


def test_each_provider_that_is_down_is_reported_while_it_lasts(store, clock):
    """The finding names all of them; one that no code has tried for some minutes may be back."""
    servers = Server("one"), Server("two")
    secrets, runner = upkeep(clock, *servers)
    runner.run(store)
    secrets.get("A")
    servers[1].is_down = True
    with pytest.raises(SecretProviderError):
        secrets.get("B")
    servers[0].is_down = True
    clock.now_at += 5 * MINUTE_MS
    secrets.get("A")
    with pytest.raises(SecretProviderError) as finding:
        runner.run(store)
    assert "vault:one (the last known value is used for A)" in finding.value.message
    assert "vault:two" in finding.value.message
    clock.now_at += 10 * MINUTE_MS + 1
    runner.run(store)
