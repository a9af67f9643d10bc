"""Configuration, read once at the top into a frozen value; lower floors take what they need as arguments.

settings  what can be set, with types and defaults      keys     the known keys, taken from there
places    where the file, the store and the spool live  lines    the line of each key in a file
values    one value: text or TOML to its type           layers   file, variables, flags
loading   the merge
"""

from mainspring.config.loading import find_spool_without_settings, load
from mainspring.config.notify_settings import NotifySettings
from mainspring.config.setting_layers import misspelt_variables
from mainspring.config.settings import (
    BackupSettings,
    DatabaseSettings,
    DefaultSettings,
    ExecSettings,
    ProjectSettings,
    QueueSettings,
    RetentionSettings,
    Settings,
    StoreSettings,
    WorkerSettings,
)

__all__ = [
    "BackupSettings",
    "DatabaseSettings",
    "DefaultSettings",
    "ExecSettings",
    "NotifySettings",
    "ProjectSettings",
    "QueueSettings",
    "RetentionSettings",
    "Settings",
    "StoreSettings",
    "WorkerSettings",
    "find_spool_without_settings",
    "load",
    "misspelt_variables",
]
