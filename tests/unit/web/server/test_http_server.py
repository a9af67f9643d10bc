"""The socket that a server of ours listens on."""

import socket

import pytest

from mainspring.app.processes.listen_addresses import read_settings_in_use, record_address, with_address
from mainspring.config import Settings
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError
from mainspring.store.commands.automations import SetMeta
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.server import http_server
from mainspring.web.server.http_server import MOST_PORTS, open_socket, open_socket_at, open_socket_nearby


def test_accepted_connections_send_small_answers_at_once():
    """Head and body of an answer are two sends: held back for an acknowledgement, each would take 40 ms more."""
    listener = open_socket("127.0.0.1:0", "web.bind")
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_address_that_cannot_be_had_is_reported_with_its_setting():
    """One that another process has, and one that is no one's."""
    with open_socket("127.0.0.1:0", "web.bind") as other:
        with pytest.raises(ConfigError, match="another process uses this address") as refused:
            open_socket(f"127.0.0.1:{other.getsockname()[1]}", "web.bind")
        assert "web.bind" in (refused.value.hint or "")
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:1"):
        open_socket("192.0.2.1:1", "hooks.bind")


def test_default_address_of_a_second_project_is_the_next_that_is_free():
    """Every second port, for the defaults of pages and webhooks are neighbours; the address says which one it is."""
    with open_socket("127.0.0.1:0", "web.bind") as first:
        port = first.getsockname()[1]
        second, bind = open_socket_nearby(f"127.0.0.1:{port}", "web.bind")
        with second:
            assert bind == f"127.0.0.1:{second.getsockname()[1]}"
            assert (second.getsockname()[1] - port) % 2 == 0
            assert second.getsockname()[1] > port
    with open_socket_nearby(f"127.0.0.1:{port}", "web.bind")[0] as again:
        assert again.getsockname()[1] == port


def test_default_address_is_refused_where_all_ports_near_it_are_taken(monkeypatch):
    """With the setting that chooses another one, and not looked for without end."""
    tried = []

    def occupied_address(bind, setting):
        tried.append(bind)
        raise http_server.AddressInUseError("taken")

    monkeypatch.setattr(http_server, "open_socket", occupied_address)
    with pytest.raises(ConfigError, match=r"nor on any second port up to 7269") as refused:
        open_socket_nearby("127.0.0.1:7171", "web.bind")
    assert "web.bind" in (refused.value.hint or "")
    assert tried[:2] == ["127.0.0.1:7171", "127.0.0.1:7173"]
    assert len(tried) == MOST_PORTS


def test_address_in_use_is_found_by_other_processes(tmp_path):
    """By what the web process of this host wrote down last; an address that someone chose is that one."""
    store = SqliteStore(tmp_path / "state.db", clock=SystemClock())
    store.open()
    try:
        assert read_settings_in_use(Settings(), store.reader) == Settings()
        record_address(store, "web.bind", "127.0.0.1:7173")
        record_address(store, "hooks.bind", "127.0.0.1:7174")
        store.apply(SetMeta("other", "after them"))
        found = read_settings_in_use(Settings(), store.reader)
        assert (found.web.seen_as, found.hooks.seen_as) == ("http://127.0.0.1:7173", "http://127.0.0.1:7174")
        chosen = Settings(sources={"web.bind": "flag", "hooks.bind": "env"})
        assert read_settings_in_use(chosen, store.reader) == chosen
        late = with_address(chosen, "web.bind", "127.0.0.1:0")
        assert read_settings_in_use(late, store.reader).web.seen_as == "http://127.0.0.1:7173"
    finally:
        store.close()


def test_port_that_the_system_chose_is_in_the_address():
    """Port 0 is no address that someone could open."""
    listener, bind = open_socket_at("127.0.0.1:0", "web.bind")
    with listener:
        assert bind == f"127.0.0.1:{listener.getsockname()[1]}"
