"""The socket that a server of ours listens on."""

import logging
import socket

from mainspring.web.listening import listen


def test_accepted_connections_send_small_answers_at_once():
    """Head and body of an answer are two sends: held back for an acknowledgement, each would take 40 ms more."""
    listener = listen("127.0.0.1:0", "web.bind", logging.getLogger("test"))
    assert listener is not None
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
