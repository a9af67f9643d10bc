"""The world outside of the crash domain: it ends with anyone who started it."""

import json
import socket
from pathlib import Path

from tests.crash.effects import Effects
from tests.polling import polls


def test_world_ends_though_an_answer_is_withheld(tmp_path: Path) -> None:
    """A test that fails leaves clients behind that no one releases: they keep no server alive."""
    effects = Effects(tmp_path)
    names = ("experiment", "what", "kind", "key", "run", "step")
    call = {"op": "call", **dict.fromkeys(names, "x"), "attempt": 1, "life": 1, "pid": 1, "hold": "h", "refuse": 0}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(effects.path)
        line.sendall(json.dumps(call).encode() + b"\n")
        assert any(effects.calls() for _ in polls(60))
        effects.close()
        assert line.recv(1) == b""
