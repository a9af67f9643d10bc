"""Listen addresses: where the web process of this host listens, although another process had the default port.

The web process writes them into the store, by the name of its host; commands and pages that show an address read them there.
"""

import socket

from msgspec.structs import replace

from mainspring.config import Settings
from mainspring.store.base import StoreReader
from mainspring.store.commands.automations import SetMeta
from mainspring.store.process_store import ProcessStore

ADDRESS_SETTINGS = ("web.bind", "hooks.bind")


def is_default(settings: Settings, setting: str) -> bool:
    """Return whether the user left this address unset, so that another one may replace it."""
    return setting not in settings.sources


def _may_change_at_start(settings: Settings, setting: str) -> bool:
    """Return whether the web process may listen elsewhere: the default port was taken, or port 0 lets the system choose."""
    bind = settings.web.bind if setting == "web.bind" else settings.hooks.bind
    return is_default(settings, setting) or bind.endswith(":0")


def with_address(settings: Settings, setting: str, bind: str) -> Settings:
    """Return the settings with this `web.bind` or `hooks.bind`."""
    if setting == "web.bind":
        return replace(settings, web=replace(settings.web, bind=bind))
    return replace(settings, hooks=replace(settings.hooks, bind=bind))


def record_address(store: ProcessStore, setting: str, bind: str) -> None:
    """Record where this process listens."""
    store.submit(SetMeta(_meta_key(setting), bind), lambda _result: None)


def read_settings_in_use(settings: Settings, reader: StoreReader) -> Settings:
    """Return the settings with the addresses where the web process of this host last listened."""
    for setting in ADDRESS_SETTINGS:
        if _may_change_at_start(settings, setting) and (found := reader.read("read_meta", (_meta_key(setting),))):
            settings = with_address(settings, setting, str(found[0][0]))
    return settings


def _meta_key(setting: str) -> str:
    return f"listens.{setting}:{socket.gethostname()}"
