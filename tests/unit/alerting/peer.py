"""A real HTTP server on a free port, for tests: it answers, or breaks in a way that only real connections can."""

import asyncio
import contextlib
import json
import time
from urllib.parse import parse_qsl

DROP_BEFORE = "drop before"
"""The connection ends and nothing was done."""
DROP_AFTER = "drop after"
"""It was done, and the connection ends without an answer."""
HANG = "hang"


class Peer:
    """`answer(path, headers, body) -> (status, headers, data)`; `faults` = what becomes of the next requests, by the end of their path."""

    def __init__(self):
        self.faults = []
        self.requests = []
        self._server = None
        self._tasks = set()

    def answer(self, path, headers, body):
        raise NotImplementedError

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self, **more):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **more)

    async def close(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((path, headers, body))
        fault = self._fault_of(path)
        if fault == HANG:
            await asyncio.sleep(3600)
        if fault == DROP_BEFORE:
            return False
        status, more, data = fault if isinstance(fault, tuple) else self.answer(path, headers, body)
        if fault == DROP_AFTER:
            return False
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(content)}", *(f"{k}: {v}" for k, v in more.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return True

    def _fault_of(self, path):
        for place, (end, fault) in enumerate(self.faults):
            if path.endswith(end):
                del self.faults[place]
                return fault
        return None


@contextlib.asynccontextmanager
async def serving(peer, **more):
    await peer.start(**more)
    try:
        yield peer
    finally:
        await peer.close()


class SlackPeer(Peer):
    """Behaves as Slack's Web API does, as far as messages go. `gap_s` = how soon after another a message may be posted."""

    TOKEN = "xoxb-right"

    def __init__(self, gap_s=0.0):
        super().__init__()
        self.gap_s = gap_s
        self.messages = []
        self.lacks = set()
        self._posted_at = 0.0
        self._count = 0

    @property
    def visible_messages(self):
        """The texts that stand in the channel."""
        return [
            message["text"] for message in self.messages if "thread_ts" not in message or message.get("reply_broadcast")
        ]

    @property
    def threads(self):
        return [message["text"] for message in self.messages if "thread_ts" in message]

    def answer(self, path, headers, body):
        method = path.rpartition("/")[2]
        is_json = headers["content-type"].startswith("application/json")
        form = json.loads(body) if is_json else dict(parse_qsl(body.decode()))
        if is_json != method.startswith("chat."):
            return self.no("invalid_arguments")
        if headers.get("authorization") != f"Bearer {self.TOKEN}":
            return self.no("invalid_auth")
        if method in self.lacks:
            return self.no("missing_scope", needed="channels:history")
        return getattr(self, method.replace(".", "_"))(form)

    @staticmethod
    def no(error, **more):
        return 200, {}, {"ok": False, "error": error, **more}

    def chat_postMessage(self, form):
        if form["channel"] not in ("#ops", "C01OPS"):
            return self.no("channel_not_found")
        if time.monotonic() - self._posted_at < self.gap_s:
            return 429, {"retry-after": "1"}, {"ok": False, "error": "ratelimited"}
        if len(form["text"]) > 40_000:
            return self.no("msg_too_long")
        if "thread_ts" in form and not self.of(form["thread_ts"]):
            return self.no("thread_not_found")
        self._posted_at = time.monotonic()
        self._count += 1
        self.messages.append(form | {"ts": f"{time.time():.0f}.{self._count:06}"})
        return 200, {}, {"ok": True, "channel": "C01OPS", "ts": self.messages[-1]["ts"], "message": form}

    def chat_update(self, form):
        (found,) = self.of(form["ts"]) or (None,)
        if found is None or form["channel"] != "C01OPS":
            return self.no("message_not_found")
        found |= {name: form[name] for name in ("text", "metadata", "blocks") if name in form}
        return 200, {}, {"ok": True, "channel": "C01OPS", "ts": form["ts"]}

    def conversations_list(self, form):
        if not form.get("cursor"):
            channels, cursor = [{"id": "C00GEN", "name": "general"}], "more"
        else:
            channels, cursor = [{"id": "C01OPS", "name": "ops"}], ""
        return 200, {}, {"ok": True, "channels": channels, "response_metadata": {"next_cursor": cursor}}

    def conversations_history(self, form):
        if form["channel"] != "C01OPS":
            return self.no("channel_not_found")
        found = [
            message
            for message in reversed(self.messages)
            if "thread_ts" not in message and message["ts"] > form["oldest"]
        ]
        return 200, {}, {"ok": True, "messages": [self.as_seen(message, form) for message in found]}

    def conversations_replies(self, form):
        found = [message for message in self.messages if form["ts"] in (message["ts"], message.get("thread_ts"))]
        return 200, {}, {"ok": True, "messages": [self.as_seen(message, form) for message in found]}

    def of(self, stamp):
        return [message for message in self.messages if message["ts"] == stamp]

    @staticmethod
    def as_seen(message, form):
        return {k: v for k, v in message.items() if k != "metadata" or form.get("include_all_metadata") == "true"}


class PagerDutyPeer(Peer):
    """Behaves as Events API v2 does: one alert for each dedup key."""

    KEY = "R0UTE"

    def __init__(self):
        super().__init__()
        self.alerts = {}

    def answer(self, path, headers, body):
        form = json.loads(body)
        errors = []
        if form.get("routing_key") != self.KEY:
            errors.append("'routing_key' is invalid")
        action = form.get("event_action")
        if action != "trigger" and not form.get("dedup_key"):
            errors.append("'dedup_key' is missing or blank")
        if action == "trigger" and not {"summary", "source", "severity"} <= form.get("payload", {}).keys():
            errors.append("'payload' is incomplete")
        if path != "/v2/enqueue" or errors:
            return 400, {}, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        key = form["dedup_key"]
        if action == "trigger" or key in self.alerts:
            self.alerts[key] = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}[action]
        return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": key}
