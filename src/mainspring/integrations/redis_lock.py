"""A redis lock, also of Valkey: a hash with a lease, and a counter of fencing tokens that the same script raises.

    mainspring:lock:{NAME}         hash with id, owner, token, since (ms UTC); its time to live is the lease
    mainspring:lock-token:{NAME}   the last fencing token

A program that takes the same lock runs the same script: it must raise the counter where it makes the hash. Invariants: the lease is renewed
by the process that holds the lock, each third of it; the lock counts as lost from the end of the last lease that the server confirmed. A
server that fails over may lose the newest commands: then two may hold the lock, and tokens may repeat.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.text.escaping import decode_bytes
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock, LockBackend, LockBackendError
from mainspring.integrations.base.queue_address import QueueAddressParts

if TYPE_CHECKING:
    from redis import Redis

LOCK_KEY, TOKEN_KEY = "mainspring:lock:{%s}", "mainspring:lock-token:{%s}"
ACQUIRE: Final = """
local id = redis.call('hget', KEYS[1], 'id')
if id == ARGV[1] then return {1, tonumber(redis.call('hget', KEYS[1], 'token'))} end
if id then return {0} end
local time = redis.call('time')
local token = redis.call('incr', KEYS[2])
redis.call('hset', KEYS[1], 'id', ARGV[1], 'owner', ARGV[2], 'token', token, 'since', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('pexpire', KEYS[1], ARGV[3])
return {1, token}
"""
"""Keys: lock, token. Arguments: id of the request, owner, lease in ms. Returns {1, token}, or {0} while another holds it."""
RENEW: Final = (
    "if redis.call('hget', KEYS[1], 'id') == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
)
RELEASE: Final = "if redis.call('hget', KEYS[1], 'id') == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25
_ANSWER_TIMEOUT_S = 3.0
_SCAN_COUNT = 500
_DATABASE = lazy_pattern(r"[0-9]{0,4}")


def elapsed() -> float:
    """Return growing seconds, which count while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class RedisLock(BackendLock):
    """One lock. A thread renews its lease."""

    def __init__(self, server: BrokerServer, name: str, owner: str, lease: timedelta) -> None:
        self._server = server
        self._name = name
        self._owner = owner
        self._lease_s = lease.total_seconds()
        self._lease_ms = to_milliseconds(lease)
        self._keys = (LOCK_KEY % name, TOKEN_KEY % name)
        self._id = token_hex(16)
        self._client = _connect(server)
        self._leased_until = 0.0
        self._is_deleted = False
        self._end = threading.Event()

    def acquire(self, wait_s: float) -> int | BackendHolder | None:
        """Try until it works or the wait is over."""
        until, pause = time.monotonic() + wait_s, _FIRST_PAUSE_S
        while not self._end.is_set():
            sent_at = elapsed()
            answer = self._call(
                lambda: self._client.eval(ACQUIRE, 2, *self._keys, self._id, self._owner, self._lease_ms)
            )
            if answer[0]:
                self._leased_until = sent_at + self._lease_s
                threading.Thread(target=self._renew, name="mainspring-lock-lease", daemon=True).start()
                return int(answer[1])
            remaining_s = until - time.monotonic()
            if remaining_s <= 0:
                return self._call(lambda: _read_holder(self._client, self._name)) or BackendHolder(
                    self._name, "another"
                )
            self._end.wait(min(pause, remaining_s))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        return None

    def cancel(self) -> None:
        """End the wait."""
        self._end.set()

    def is_lost(self) -> bool:
        """Whether the server reported it, or the last confirmed lease is over."""
        return self._is_deleted or elapsed() >= self._leased_until

    def release(self) -> bool:
        """Delete the lock if it is still this one's. Without the server its lease ends it, and covered the block."""
        self._end.set()
        was_lost = self.is_lost()
        deleted: Any = 1
        with contextlib.suppress(LockBackendError):
            deleted = self._call(lambda: self._client.eval(RELEASE, 1, self._keys[0], self._id))
        self._client.close()
        return bool(deleted) and not was_lost

    def _renew(self) -> None:
        while not self._end.wait(self._lease_s / 3):
            sent_at = elapsed()
            with contextlib.suppress(LockBackendError):  # the next try, or the end of the lease
                if self._call(lambda: self._client.eval(RENEW, 1, self._keys[0], self._id, self._lease_ms)):
                    self._leased_until = sent_at + self._lease_s
                elif not self._end.is_set():
                    self._is_deleted = True
                    return

    def _call(self, call: Callable[[], Any]) -> Any:
        return _call(self._server, call)


class RedisLockBackend(LockBackend):
    """Locks on Redis and Valkey."""

    kind: ClassVar[str] = "redis"
    form: ClassVar[str] = "redis://USER:{secret:NAME}@HOST:6379/0"
    extra: ClassVar[str] = "redis"

    def check_address(self, parts: QueueAddressParts) -> None:
        """Check the number of the database."""
        parts.parameters()
        parts.check_path(_DATABASE)

    def open_lock(self, server: BrokerServer, name: str, owner: str, lease: timedelta) -> RedisLock:
        """Return a lock."""
        return RedisLock(server, name, owner, lease)

    def list_holders(self, server: BrokerServer) -> list[BackendHolder]:
        """Return the held locks, by name."""
        start, _, end = LOCK_KEY.partition("%s")

        def read() -> list[BackendHolder]:
            with contextlib.closing(_connect(server)) as client:
                keys = sorted(decode_bytes(key) for key in client.scan_iter(match=f"{start}*{end}", count=_SCAN_COUNT))
                holders = (_read_holder(client, key.removeprefix(start).removesuffix(end)) for key in keys)
                return [holder for holder in holders if holder is not None]

        result: list[BackendHolder] = _call(server, read)
        return result

    def break_lock(self, server: BrokerServer, name: str) -> bool:
        """Delete the lock. Its counter stays, so the next token is higher."""

        def delete() -> bool:
            with contextlib.closing(_connect(server)) as client:
                return bool(client.delete(LOCK_KEY % name))

        return bool(_call(server, delete))


def _connect(server: BrokerServer) -> "Redis":
    """Return a client of the first host; it connects at the first command."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    ((host, port), *_) = server.hosts
    return Redis(
        host=host,
        port=port or 6379,
        db=int(server.path or 0),
        username=server.user or None,
        password=server.password or None,
        ssl=server.scheme in ("rediss", "valkeys"),
        socket_connect_timeout=_ANSWER_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),  # every script may run twice
        protocol=2,
        client_name="mainspring-lock",
    )


def _call(server: BrokerServer, call: Callable[[], Any]) -> Any:
    """Return the answer of a call. Raises LockBackendError."""
    from redis.exceptions import RedisError

    try:
        return call()
    except (RedisError, OSError) as error:
        host, port = server.hosts[0]
        raise LockBackendError(f"the lock backend redis at {host}:{port or 6379} failed: {error}") from None


def _read_holder(client: "Redis", name: str) -> BackendHolder | None:
    """Return the holder of a lock; None if it is free. Programs that do not use Mainspring may leave fields out."""
    key = LOCK_KEY % name
    fields: Any = client.hgetall(key)
    left_ms: Any = client.pttl(key)
    if not fields:
        return None
    texts = {decode_bytes(field): decode_bytes(value) for field, value in fields.items()}
    numbers = {field: int(text) for field, text in texts.items() if text.isdecimal()}
    seconds, micros = client.time()
    until_at = seconds * 1_000 + micros // 1_000 + left_ms if left_ms > 0 else None
    return BackendHolder(name, texts.get("owner", "another"), numbers.get("token"), numbers.get("since"), until_at)


LOCK_BACKEND: Final[LockBackend] = RedisLockBackend()
