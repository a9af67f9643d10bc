"""The socket that a server of ours listens on."""

import socket

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.web.listening import listen


def test_accepted_connections_send_small_answers_at_once():
    """Head and body of an answer are two sends: held back for an acknowledgement, each would take 40 ms more."""
    listener = listen("127.0.0.1:0", "web.bind")
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_address_that_cannot_be_had_is_told_with_its_setting():
    """One that another process has, and one that is nobody's."""
    with listen("127.0.0.1:0", "web.bind") as other:
        with pytest.raises(ConfigError, match="another process listens there") as refused:
            listen(f"127.0.0.1:{other.getsockname()[1]}", "web.bind")
        assert "web.bind" in (refused.value.hint or "")
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:1"):
        listen("192.0.2.1:1", "hooks.bind")
