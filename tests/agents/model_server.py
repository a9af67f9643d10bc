"""A model on loopback: the chat completions of an OpenAI-compatible server, with scripted replies, whole or as a stream of tokens.

The reply depends on the conversation alone: `script[n]` answers a request that has n earlier replies. So a test counts how often each
turn was paid.
"""

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Reply = str | list[tuple[str, dict[str, Any]]]
"""A text, or calls of tools: name and arguments."""


class ModelServer(http.server.ThreadingHTTPServer):
    """The server. `requests` = the body of each request, in the order of arrival; `before_reply` is called before each answer."""

    daemon_threads = True

    def __init__(self, script: Sequence[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.before_reply: Callable[[int], object] = lambda turn: None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address that a client takes as its base."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are part of the tests."""

    def paid(self) -> dict[int, int]:
        """Return how often each turn was requested."""
        counts: dict[int, int] = {}
        for request in self.requests:
            turn = turn_of(request)
            counts[turn] = counts.get(turn, 0) + 1
        return counts


def turn_of(request: dict[str, Any]) -> int:
    """Return the number of replies that the conversation has."""
    return sum(message["role"] == "assistant" for message in request["messages"])


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        """Answer a request for a completion."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turn = turn_of(request)
        with self.server.lock:
            self.server.requests.append(request)
            status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.server.before_reply(turn)
        if status != 200:
            self._send(status, "application/json", json.dumps({"error": {"message": "not now"}}).encode())
            return
        reply = self.server.script[turn]
        if request.get("stream"):
            self._send(200, "text/event-stream", b"".join(self._events(turn, reply)))
        else:
            self._send(200, "application/json", json.dumps(self._completion(turn, reply)).encode())

    def _send(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _completion(self, turn: int, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply if isinstance(reply, str) else None}
        if not isinstance(reply, str):
            message["tool_calls"] = _tool_calls(turn, reply)
        choice = {"index": 0, "message": message, "finish_reason": "stop" if isinstance(reply, str) else "tool_calls"}
        return {**_head(turn, "chat.completion"), "choices": [choice], "usage": _USAGE}

    def _events(self, turn: int, reply: Reply) -> Iterator[bytes]:
        head = _head(turn, "chat.completion.chunk")
        if isinstance(reply, str):
            deltas: list[dict[str, Any]] = [{"content": word} for word in reply.split(" ")]
            deltas = [{"content": f"{' ' if i else ''}{delta['content']}"} for i, delta in enumerate(deltas)]
        else:
            deltas = [{"tool_calls": [{"index": i, **call} for i, call in enumerate(_tool_calls(turn, reply))]}]
        deltas[0]["role"] = "assistant"
        for delta in deltas:
            yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        reason = "stop" if isinstance(reply, str) else "tool_calls"
        yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": _USAGE})
        yield b"data: [DONE]\n\n"


_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _head(turn: int, kind: str) -> dict[str, Any]:
    return {"id": f"reply-{turn}", "object": kind, "created": 1_700_000_000 + turn, "model": "local"}


def _tool_calls(turn: int, calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call-{turn}-{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for number, (name, arguments) in enumerate(calls)
    ]


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@contextmanager
def model_server(script: Sequence[Reply]) -> Iterator[ModelServer]:
    """Let a server answer until the block ends."""
    server = ModelServer(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
