"""What only Vault and OpenBao can do, on a real OpenBao: sign-in, renewal, revocation, namespaces, versions and policies."""

import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest

from mainspring.domain.errors import MainspringError, SecretProviderError
from tests.polling import polls
from tests.secret_providers.bao_target import ROOT, BaoTarget
from tests.secret_providers.targets import start_target
from tests.secret_providers.token_review import review_server, service_account_token

pytestmark = pytest.mark.xdist_group("secrets-vault")
_READER = 'path "secret/data/*" { capabilities = ["read"] }'


@pytest.fixture
def bao(secret_targets, tmp_path_factory) -> BaoTarget:
    if "vault" not in secret_targets:
        secret_targets["vault"] = start_target("vault", tmp_path_factory.mktemp("secrets"))
    target = secret_targets["vault"]
    assert isinstance(target, BaoTarget)
    return target


@pytest.fixture
def prefix(bao) -> str:
    name = bao.new_prefix()
    bao.put(name, "A", "value-of-a")
    return name


def _value(provider, name="A"):
    found = provider.read(name)
    assert found is not None
    return found.value


def _enable(bao, method, path):
    if f"{path}/" not in bao.client.sys.list_auth_methods()["data"]:
        bao.client.sys.enable_auth_method(method, path=path)


def _approle(bao, path="approle", **options):
    """Return the parameters of a provider that signs in by a role of its own."""
    _enable(bao, "approle", path)
    bao.client.sys.create_or_update_policy("reader", _READER)
    role = bao.new_prefix()
    bao.client.auth.approle.create_or_update_approle(role, token_policies=["reader"], mount_point=path, **options)
    role_id = bao.client.auth.approle.read_role_id(role, mount_point=path)["data"]["role_id"]
    secret = bao.client.auth.approle.generate_secret_id(role, mount_point=path)["data"]
    (bao.folder / role).write_text(secret["secret_id"] + "\n")
    (bao.folder / role).chmod(0o600)
    return role, secret, f"&auth=approle&auth_mount={path}&role_id={role_id}&from=file:{role}"


def test_approle_signs_in_again_when_its_token_is_revoked(bao, prefix):
    """A revoked token is replaced within the same read, and the credentials are hidden from then on."""
    _, secret, parameters = _approle(bao, "teams/approle")
    with closing(bao.open_address(bao.address(prefix, parameters))) as provider:
        assert _value(provider) == "value-of-a"
        token = bao.hidden[-1]
        bao.client.auth.token.revoke(token)
        assert _value(provider) == "value-of-a"
        assert secret["secret_id"] in bao.hidden
        assert bao.hidden[-1] not in (token, secret["secret_id"])


def test_revoked_secret_id_is_a_refused_sign_in(bao, prefix):
    """The error names the method and the parameters, and repeats neither the id nor the token."""
    role, secret, parameters = _approle(bao)
    bao.client.auth.approle.destroy_secret_id(role, secret["secret_id"])
    with closing(bao.open_address(bao.address(prefix, parameters))) as provider:
        with pytest.raises(SecretProviderError, match=r"refuses the sign-in by approle \(400\)") as refused:
            provider.read("A")
        assert not refused.value.transient
        assert "role_id and from" in str(refused.value.hint)
        assert secret["secret_id"] not in "".join(traceback.format_exception(refused.value))


def test_kubernetes_signs_in_with_the_token_of_the_pod_as_it_is_now(bao, prefix):
    """Kubernetes replaces the file of the token while the pod runs: each sign-in reads it."""
    with review_server() as review:
        first, second = service_account_token(1), service_account_token(2)
        review.accepted = {first, second}
        _enable(bao, "kubernetes", "k8s")
        bao.client.sys.create_or_update_policy("reader", _READER)
        host = f"http://127.0.0.1:{review.server_port}"
        config = {"kubernetes_host": host, "disable_local_ca_jwt": True, "kubernetes_ca_cert": bao.ca.read_text()}
        bao.client.write_data("auth/k8s/config", data=config)
        role = {"bound_service_account_names": "worker", "bound_service_account_namespaces": "prod"}
        bao.client.write_data("auth/k8s/role/app", data={**role, "token_policies": "reader"})
        jwt = bao.folder / "service-account"
        jwt.write_text(first)
        jwt.chmod(0o644)  # as Kubernetes mounts it
        address = bao.address(prefix, "&auth=kubernetes&auth_mount=k8s&role=app&from=file:service-account")
        with closing(bao.open_address(address)) as provider:
            assert _value(provider) == "value-of-a"
            assert review.reviewed == [first]
            jwt.write_text(second)
            bao.client.auth.token.revoke(bao.hidden[-1])
            assert _value(provider) == "value-of-a"
            assert review.reviewed == [first, second]
        review.accepted = set()
        with (
            closing(bao.open_address(address)) as provider,
            pytest.raises(SecretProviderError, match="refuses the sign-in by kubernetes"),
        ):
            provider.read("A")


def test_token_is_renewed_before_it_ends_while_no_one_reads(bao, prefix):
    """A worker that reads once a day keeps its token, also one that follows a token with a long lease."""
    path = bao.folder / "renewed"
    path.touch(0o600)
    path.write_text(bao.new_token(_READER, ttl="1h", renewable=True))
    with closing(bao.open_address(bao.address(prefix, "&from=file:renewed"))) as provider:
        assert _value(provider) == "value-of-a"
        bao.client.auth.token.revoke(path.read_text())
        token = bao.new_token(_READER, ttl="2s", period="2s", renewable=True)
        path.write_text(token)
        assert _value(provider) == "value-of-a"
        for _ in polls(30):
            if bao.client.auth.token.lookup(token)["data"].get("last_renewal"):
                break
        assert bao.client.auth.token.lookup(token)["data"]["last_renewal"]
    bao.client.auth.token.revoke(token)


def test_token_at_the_end_of_its_longest_life_is_replaced_while_no_one_reads(bao, prefix):
    """A server that refuses to renew it once more gets a new sign-in."""
    *_, parameters = _approle(bao, token_ttl="2s", token_max_ttl="3s")
    with closing(bao.open_address(bao.address(prefix, parameters))) as provider:
        assert _value(provider) == "value-of-a"
        first = set(bao.hidden)
        for _ in polls(30):
            if set(bao.hidden) - first:
                break
        assert set(bao.hidden) - first
        assert _value(provider) == "value-of-a"


def test_revoked_token_is_an_error_until_its_file_has_another(bao, prefix):
    """The place of the token is read again, so that no process has to start again."""
    path = bao.folder / "token"
    path.touch(0o600)
    path.write_text(bao.new_token(_READER))
    with closing(bao.open_address(bao.address(prefix, "&from=file:token"))) as provider:
        assert _value(provider) == "value-of-a"
        bao.client.auth.token.revoke(path.read_text())
        with pytest.raises(SecretProviderError, match="it has ended, was revoked") as refused:
            provider.read("A")
        assert not refused.value.transient
        path.write_text(bao.new_token(_READER))
        assert _value(provider) == "value-of-a"
        path.chmod(0o644)
        bao.client.auth.token.revoke(path.read_text())
        with pytest.raises(SecretProviderError, match=r"other users can read or change .*\(mode 644\)") as readable:
            provider.read("A")
        assert readable.value.hint == f"chmod 600 {path}"


def test_namespace_has_secrets_of_its_own(bao, prefix):
    """One name in two namespaces is two secrets; an unknown namespace is an error and not a missing secret."""
    bao.client.write_data(f"sys/namespaces/{prefix}", data={})
    headers = {"X-Vault-Namespace": prefix}
    mount = {"type": "kv", "options": {"version": "2"}}
    bao.client.adapter.post("/v1/sys/mounts/secret", json=mount, headers=headers)
    with closing(bao.open_address(bao.address(prefix, f"&namespace={prefix}"), BAO_TOKEN=ROOT)) as provider:
        assert provider.read("A") is None
        provider.write("A", "value of the namespace")
        assert _value(provider) == "value of the namespace"
    assert bao.get(prefix, "A") == "value-of-a"
    with (
        closing(bao.open_address(bao.address(prefix, "&namespace=nowhere"), BAO_TOKEN=ROOT)) as provider,
        pytest.raises(SecretProviderError, match="there is no namespace 'nowhere'"),
    ):
        provider.read("A")


def test_documented_policy_is_enough_to_read_and_list(bao, prefix):
    """The page of the providers names no right too few."""
    paths = {f"secret/data/{prefix}/*": "read", f"secret/metadata/{prefix}/": "list"}
    policy = "\n".join(f'path "{path}" {{ capabilities = ["{right}"] }}' for path, right in paths.items())
    bao.put(prefix, "A", "value-2")
    with closing(bao.open_address(bao.address(prefix), BAO_TOKEN=bao.new_token(policy))) as provider:
        assert _value(provider) == "value-2"
        assert provider.list_names() == ["A"]
        assert provider.read("MISSING") is None
        with pytest.raises(SecretProviderError, match=f"does not allow secret/data/{prefix}/A"):
            provider.write("A", "new")


def test_deleted_versions_are_not_valid_any_more(bao, prefix):
    """Deleting the older version ends its grace; deleting the newest one deletes the secret."""
    with closing(bao.open(prefix)) as provider:
        bao.put(prefix, "A", "value-2")
        assert provider.read("A").previous == "value-of-a"
        bao.client.secrets.kv.v2.delete_secret_versions(f"{prefix}/A", [1])
        assert provider.read("A").previous is None
        bao.client.secrets.kv.v2.delete_secret_versions(f"{prefix}/A", [2])
        assert provider.read("A") is None
        assert provider.write("A", "value-3") == "3"
        assert _value(provider) == "value-3"


def test_version_that_deletes_itself_has_an_end(bao, prefix):
    """`delete_version_after` is the instant from which the value is not valid."""
    bao.client.secrets.kv.v2.update_metadata(f"{prefix}/B", delete_version_after="1h")
    bao.put(prefix, "B", "value")
    with closing(bao.open(prefix)) as provider:
        found = provider.read("B")
        stored = bao.client.secrets.kv.v2.read_secret_metadata(f"{prefix}/B")["data"]["versions"]["1"]
        assert found.expires_at is not None
        assert provider.read("A").expires_at is None
        assert stored["deletion_time"].startswith(f"{datetime.fromtimestamp(found.expires_at // 1000, UTC):%FT%T}")


def test_write_keeps_other_fields_and_refuses_a_lost_update(bao, prefix, monkeypatch):
    """The path may hold more than our field, and another writer in between is not overwritten."""
    bao.client.secrets.kv.v2.create_or_update_secret(f"{prefix}/A", {"user": "app", "value": "old"})
    with closing(bao.open(prefix)) as provider:
        provider.write("A", "new")
        stored = bao.client.secrets.kv.v2.read_secret_version(f"{prefix}/A", raise_on_deleted_version=True)
        assert stored["data"]["data"] == {"user": "app", "value": "new"}
        send = provider._api.call

        def call(method, path, body=None):
            if method == "POST":
                bao.put(prefix, "A", "of another writer")
            return send(method, path, body)

        monkeypatch.setattr(provider._api, "call", call)
        with pytest.raises(SecretProviderError, match="someone else changed the secret 'A'"):
            provider.write("A", "lost")
        assert bao.get(prefix, "A") == "of another writer"


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [("&field=password", r"no field 'password' \(its fields: value\)"), ("&namespace=", "has no value")],
)
def test_field_that_is_missing_is_named(bao, prefix, parameters, problem):
    """The error lists the names of the fields, and no value."""
    with (
        pytest.raises(MainspringError, match=problem) as error,
        closing(bao.open_address(bao.address(prefix, parameters), BAO_TOKEN=ROOT)) as provider,
    ):
        provider.read("A")
    assert "value-of-a" not in str(error.value)


def test_mount_that_does_not_exist_is_no_missing_secret(bao, prefix):
    """A typing error in the address must not look like a secret that is not set."""
    address = f"vault:{bao.url}/kv/{prefix}?ca={bao.ca}"
    with (
        closing(bao.open_address(address, BAO_TOKEN=ROOT)) as provider,
        pytest.raises(SecretProviderError, match="there is no secrets engine at 'kv'"),
    ):
        provider.read("A")


def test_engine_of_the_first_version_is_no_missing_secret(bao, prefix):
    """Each path of the second version is a path that does not exist there."""
    bao.client.sys.enable_secrets_engine("kv", path=prefix, options={"version": "1"})
    bao.client.secrets.kv.v1.create_or_update_secret("billing/A", {"value": "x"}, mount_point=prefix)
    address = f"vault:{bao.url}/{prefix}/billing?ca={bao.ca}"
    with (
        closing(bao.open_address(address, BAO_TOKEN=ROOT)) as provider,
        pytest.raises(SecretProviderError, match="is no KV engine of version 2") as error,
    ):
        provider.read("A")
    assert f"bao kv enable-versioning {prefix}" in str(error.value.hint)


def test_threads_share_one_new_token(bao, prefix):
    """Sixteen reads that find their token revoked sign in once."""
    _, secret, parameters = _approle(bao)
    with closing(bao.open_address(bao.address(prefix, parameters))) as provider, ThreadPoolExecutor(16) as threads:
        assert _value(provider) == "value-of-a"
        before = list(bao.hidden)
        bao.client.auth.token.revoke(before[-1])
        found = list(threads.map(lambda number: _value(provider), range(16)))
    assert found == ["value-of-a"] * 16
    assert len({token for token in bao.hidden if token not in before} - {secret["secret_id"]}) == 1


def test_certificate_that_is_not_trusted_is_never_accepted(bao, prefix):
    """Nothing is sent to a server that cannot prove its name, and the fix is a file of certificates."""
    with closing(bao.open_address(f"vault:{bao.url}/secret/{prefix}", BAO_TOKEN=ROOT)) as provider:
        with pytest.raises(SecretProviderError, match=r"certificate of https://127.0.0.1:.* is not trusted") as error:
            provider.read("A")
        assert not error.value.transient
        assert "ca=" in str(error.value.hint)


def test_sealed_server_is_an_outage(bao, prefix):
    """A server that was restarted and not unsealed yet is waited for."""
    with closing(bao.open(prefix)) as provider:
        assert _value(provider) == "value-of-a"
        bao.client.sys.seal()
        try:
            with pytest.raises(SecretProviderError, match="is sealed") as sealed:
                provider.read("A")
        finally:
            bao.client.sys.submit_unseal_key(bao.unseal_key())
        assert sealed.value.transient
        for _ in polls(30):
            if bao.client.sys.read_health_status(method="GET").get("sealed") is False:
                break
        assert _value(provider) == "value-of-a"
