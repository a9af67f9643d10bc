"""What a worker says it runs under: marks of its settings, and versions."""

import platform

import msgspec
import pytest

from mainspring.app.setup.run_conditions import digest_settings, read_run_conditions, read_versions
from mainspring.config import load
from mainspring.domain.runs.run_conditions import ConditionKind
from mainspring.resources.known_secrets import KNOWN_SECRETS


@pytest.fixture
def settings(tmp_path):
    def read(text, **flags):
        (tmp_path / "mainspring.toml").write_text(text)
        return load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234, flags=flags)

    return read


def test_setting_that_is_changed_has_another_mark(settings):
    """And all others the same; what is not set has none."""
    was = digest_settings(settings("[worker]\nthreads = 3\nconcurrency = 7"))
    now = digest_settings(settings("[worker]\nthreads = 4\nconcurrency = 7"))
    assert was.keys() == now.keys() == {"worker.threads", "worker.concurrency"}
    assert was["worker.threads"] != now["worker.threads"]
    assert was["worker.concurrency"] == now["worker.concurrency"]


def test_secret_is_not_in_a_mark(settings):
    """Two passwords of one address give one mark, and no value can be read from it."""
    marks = [
        digest_settings(settings(f'[store]\nurl = "postgresql://u:{word}@h/db"')) for word in ("hunter2", "other-one")
    ]
    assert marks[0] == marks[1]
    assert "hunter2" not in str(marks)


def test_known_secret_is_not_in_a_mark_wherever_it_is(settings):
    """Also under a key that does not look like one: no one can try words until a mark fits."""
    KNOWN_SECRETS.add(["zq-marked-one", "zq-marked-two"])
    marks = [
        digest_settings(settings(f'[project]\nname = "shop of {word}"'))
        for word in ("zq-marked-one", "zq-marked-two", "me")
    ]
    assert marks[0] == marks[1] != marks[2]


def test_flags_of_one_process_are_no_configuration(settings):
    """Several may run on a host with different ones."""
    assert digest_settings(settings("[up]\nprocesses = 2\n[worker]\ntags = ['gpu']")) == {}


def test_runtime_reports_python_and_packages():
    """Those that can be imported here."""
    found = read_versions()
    assert found["Python"] == platform.python_version()
    assert found["msgspec"] == msgspec.__version__


def test_both_are_of_this_host(settings):
    """By its name, as people know it."""
    configuration, runtime = read_run_conditions(settings(""))
    assert (configuration.kind, runtime.kind) == (ConditionKind.CONFIGURATION, ConditionKind.RUNTIME)
    assert configuration.subject == runtime.subject
    assert configuration.subject.startswith("host:")
