"""Secrets of a wrapped command, `exec --secret NAME`: as a variable of its environment, or as a file that exists in memory only.

Invariant: no value is an argument, part of the record of the run, or of a repr.
"""

import os
from collections.abc import Iterable

from mainspring.app.exec.plan import PassedSecrets
from mainspring.app.setup.secrets import make_secret_store
from mainspring.config import Settings
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import command_variable_name
from mainspring.domain.secrets.errors import require_secret_name
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.engine.attempts.processes.process_lifetime import protect_memory
from mainspring.engine.commands.start_limits import MAX_STRING_BYTES, count_variable_bytes

_VARIABLE = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_FILE_SUFFIX = "_FILE"


def read_command_secrets(
    settings: Settings | None, variables: Iterable[str], files: Iterable[str], *, actor: str, automation: str = ""
) -> PassedSecrets:
    """Read the secrets, each written NAME or NAME=VARIABLE. Those of `files` are in a descriptor, and VARIABLE_FILE is its path.

    From then on neither this process nor the command writes a core file.

    Raises:
        OptionError: a name or a variable cannot be used, or a value is too long for a variable.
        ConfigError: a secret cannot be read, or there is no configuration that names its provider.
    """
    protect_memory()
    store = make_secret_store(settings or Settings())
    values: dict[str, str] = {}
    descriptors: list[int] = []
    uses: list[SecretUse] = []
    for texts, is_file in ((variables, False), (files, True)):
        for text in texts:
            name, _, written = text.partition("=")
            variable = written or command_variable_name(require_secret_name(name))
            if not _VARIABLE.fullmatch(variable):
                raise OptionError(
                    f"{variable[:80]!r} is not a name of a variable", hint="Write --secret NAME=VARIABLE."
                )
            read = store.read(name)
            if not is_file and count_variable_bytes(variable, read.value) > MAX_STRING_BYTES:
                raise OptionError(
                    f"the secret {name!r} has {len(os.fsencode(read.value)):,} bytes, which is too long for a variable: "
                    f"the kernel allows {MAX_STRING_BYTES:,} for {variable} with its name",
                    hint=f"Pass it as a file: --secret-file {text}. {variable}{_FILE_SUFFIX} is its path.",
                )
            uses.append(
                SecretUse(
                    secret=name,
                    version=read.version,
                    provider=read.provider,
                    actor=actor,
                    automation=automation,
                    step="exec" if automation else "",
                )
            )
            if is_file:
                descriptors.append(_write_to_memory(variable, read.value))
                values[variable + _FILE_SUFFIX] = f"/dev/fd/{descriptors[-1]}"
            else:
                values[variable] = read.value
    return PassedSecrets(values, tuple(descriptors), tuple(dict.fromkeys(uses)))


def _write_to_memory(name: str, value: str) -> int:
    """Return the descriptor of a file in memory with this value; each open of its path reads from the start."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(descriptor, value.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
