"""Configuration, read once at the top into a frozen value; lower layers get their settings as arguments.

settings  all settings, with types and defaults          known_keys      the known keys, taken from there
locations where the file, the store and the spool are   value_reader    one value: text or TOML to its type
loading   the merge of the layers                        setting_layers  file, variables, flags
"""

from mainspring.config.loading import find_spool_without_settings, load
from mainspring.config.setting_layers import misspelt_variables
from mainspring.config.settings import (
    BackupSettings,
    DatabaseSettings,
    DefaultSettings,
    ExecSettings,
    NotifySettings,
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
