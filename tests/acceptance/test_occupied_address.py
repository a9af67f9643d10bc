"""`mainspring up` where other programs have its addresses: one incident for each, which ends when the address is free."""

import socket
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.monitors.system.process_findings import ProcessFindingTuning
from tests.acceptance.one_project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WORK = """
import mainspring as ms

@ms.on.webhook("/orders", verify=ms.verify.none())
@ms.task
def book(n: int) -> int:
    return n
"""
MORE = """
[web]
bind = "127.0.0.1:{pages}"
[hooks]
bind = "127.0.0.1:{hooks}"
[monitors.address_taken]
longest = "1s"
"""


def occupied_socket() -> socket.socket:
    """Return a socket that listens, as another program's."""
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    return other


def port_of(other: socket.socket) -> int:
    return int(other.getsockname()[1])


def test_default_of_the_monitor_is_within_five_minutes() -> None:
    """The test below shortens it, so that it need not wait."""
    (monitor,) = [monitor for monitor in MONITORS.values() if monitor.kind is IncidentKind.ADDRESS_TAKEN]
    assert isinstance(monitor.tuning, ProcessFindingTuning)
    assert monitor.tuning.longest.total_seconds() <= 300 - 60


def test_taken_addresses_are_incidents_that_end_when_they_are_free(tmp_path: Path) -> None:
    """Each names the address, the cause and what to do; webhooks and pages are served afterwards, without a restart."""
    pages, hooks = occupied_socket(), occupied_socket()
    addresses = {"web.bind": f"127.0.0.1:{port_of(pages)}", "hooks.bind": f"127.0.0.1:{port_of(hooks)}"}
    project = Project(tmp_path, WORK, MORE.format(pages=port_of(pages), hooks=port_of(hooks)))

    def found(*words: str) -> list[dict[str, Any]]:
        return [
            incident
            for incident in project.json("incidents", "list", *words)
            if incident["subject"]["kind"] == "address_taken"
        ]

    try:
        project.up("up", "--processes", "1")
        project.until(lambda: len(found()) == 2)
        incidents = {incident["id"]: incident for incident in found()}
        status = project.call("status", code=9).stdout
        for setting, address in addresses.items():
            (incident,) = [incident_found for incident_found in incidents.values() if address in incident_found["text"]]
            assert "another process uses this address" in incident["text"]
            assert incident["hint"].endswith(f"choose another address: {setting} in mainspring.toml")
            assert incident["id"] in status

        hooks.close()
        project.until(lambda: len(found()) == 1)
        assert addresses["web.bind"] in found()[0]["text"]
        request = Request(f"http://{addresses['hooks.bind']}/orders", b'{"n": 1}', {"content-type": "application/json"})
        with urlopen(request, timeout=20) as answer:
            assert answer.status in (200, 202)
        project.until(lambda: list(project.states().values()) == ["succeeded"])

        pages.close()
        project.until(lambda: found() == [])
        assert {incident["state"] for incident in found("--state", "resolved")} == {"resolved"}
        with urlopen(f"http://{addresses['web.bind']}/healthz", timeout=20) as answer:
            assert answer.status == 200
    finally:
        pages.close()
        hooks.close()
        project.stop()
        project.kill_all()
