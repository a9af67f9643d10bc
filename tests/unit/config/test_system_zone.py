"""The zone of a system, as its variables and its folder /etc state it."""

import pytest

from mainspring.config.system_zone import find_system_zone


@pytest.fixture
def etc(tmp_path):
    """A system whose local time is that of Berlin."""
    (tmp_path / "localtime").symlink_to("../usr/share/zoneinfo/Europe/Berlin")
    return tmp_path


@pytest.mark.parametrize(
    ("env", "zone"),
    [
        ({}, "Europe/Berlin"),
        ({"TZ": "Asia/Tokyo"}, "Asia/Tokyo"),
        ({"TZ": ":Asia/Tokyo"}, "Asia/Tokyo"),
        ({"TZ": "/usr/share/zoneinfo/Asia/Tokyo"}, "Asia/Tokyo"),
        ({"TZ": "Asia/Tokyo", "CRON_TZ": "America/Lima"}, "America/Lima"),
        ({"TZ": ""}, "Europe/Berlin"),
        ({"TZ": "/etc/localtime"}, "Europe/Berlin"),
        ({"TZ": "CET-1CEST"}, "Europe/Berlin"),
    ],
)
def test_system_zone_is_found_by_variable_or_link(etc, env, zone):
    """A variable counts before the link; a variable without an IANA name does not count."""
    assert find_system_zone(env, etc) == zone


def test_system_zone_is_found_by_name_file(tmp_path):
    """If the local time is a copy, the file with the name counts; without that the zone is UTC."""
    (tmp_path / "localtime").write_bytes(b"TZif2")
    assert find_system_zone({}, tmp_path) == "UTC"
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert find_system_zone({}, tmp_path) == "Europe/Berlin"
