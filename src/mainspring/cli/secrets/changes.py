"""Changes of secrets, `mainspring secrets init|set|rotate|remove`.

A value comes from a prompt, stdin or a generator, never from an argument.
"""

import sys

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.errors import OptionError, SecretProviderError

_DEFAULT_LENGTH = 40
_VERIFY_TIMEOUT_S = 60.0

_SHORT = click.option(
    "--short", is_flag=True, help="accept a value of less than 8 characters, which output does not hide"
)
_PROVIDER = click.option(
    "--provider", metavar="ADDRESS", help="store it there (default: where it is, else the first that can)"
)
_NAME = click.argument("name", metavar="NAME")


@command("init", "create the encrypted file of the project and its key")
@pass_invocation
def init(invocation: Invocation) -> None:
    """Creates secrets.age and secrets.key (mode 600) in the folder of the configuration, unless they exist.

    The file may be committed. The key must not be: it is added to the .gitignore of a repository. Keep a copy: without the key, no one can
    read the file.
    """
    from mainspring.app.setup.secrets import DEFAULT_FILE, open_encrypted_file

    secrets = open_encrypted_file(invocation.settings)
    is_new, is_new_file = secrets.init()
    ignored = (
        _ignore_files(invocation, secrets.key_file.name, secrets.lock_file.name)
        if secrets.key_file.parent == secrets.path.parent
        else False
    )
    key_text = f"{'Created' if is_new else 'Found'} the key {secrets.key_file}"
    text = f"{key_text} and the file {secrets.path}."
    if is_new_file and not is_new:
        text = f"{key_text}. Created the empty file {secrets.path}: it has none of the secrets of an earlier file."
    if ignored:
        text += f" {secrets.key_file.name} is in .gitignore."
    data = {
        "file": str(secrets.path),
        "key_file": str(secrets.key_file),
        "created": is_new,
        "file_created": is_new_file,
    }
    invocation.output.document(data, text)
    providers = invocation.settings.secrets.providers
    if providers and not any(address.startswith("age:") for address in providers):
        invocation.output.warn(f'secrets.providers does not name the file: add "age:{DEFAULT_FILE}"')


def _ignore_files(invocation: Invocation, *names: str) -> bool:
    """Add the key and the lock to the .gitignore of their folder, if it has one or is in a repository."""
    folder = invocation.settings.folder
    file = folder / ".gitignore"
    if not file.exists() and not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return False
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    new = [name for name in names if name not in text.split()]
    if new:
        lines = [*([text.removesuffix("\n")] if text else []), *new]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True


@command("set", "store a secret, read from a prompt or stdin")
@_NAME
@_PROVIDER
@_SHORT
@pass_invocation
def set_command(invocation: Invocation, name: str, provider: str | None, *, short: bool) -> None:
    """`mainspring secrets set STRIPE` asks for the value. `printf %s "$KEY" | mainspring secrets set STRIPE` reads it.

    The value counts at once. To let the old one count for a while, use rotate.
    """
    from mainspring.domain.secrets.errors import require_secret_name
    from mainspring.service.secret import check_new_value, choose_provider, record_operation

    entry = choose_provider(invocation.secrets, require_secret_name(name), provider)
    value = check_new_value(_read_value(invocation, name), may_be_short=short)
    store = invocation.make_store()  # before the change: without a store there is no record of it
    version = entry.provider.write(name, value)
    detail = {"provider": entry.provider.name, "version": version}
    record_operation(store, "set", name, act=invocation.act, detail=detail)
    text = f"The secret {name} is stored in {entry.provider.name}{f' as {version}' if version else ''}."
    invocation.output.document({"name": name, **detail}, text)


@command("rotate", "replace a secret; the old version counts for a grace time")
@_NAME
@click.option("--generate", is_flag=True, help="create a random value instead of asking for one")
@click.option(
    "--length", type=click.IntRange(16, 1_000), default=_DEFAULT_LENGTH, help="characters of --generate (default 40)"
)
@click.option(
    "--grace", metavar="D", default="1h", help="how long the old version of an encrypted file still counts (default 1h)"
)
@click.option(
    "--verify",
    metavar="COMMAND",
    help="command that gets the new value in the variable NAME; unless it exits with 0, nothing changes",
)
@_PROVIDER
@_SHORT
@pass_invocation
def rotate(
    invocation: Invocation,
    name: str,
    length: int,
    grace: str,
    verify: str | None,
    provider: str | None,
    *,
    generate: bool,
    short: bool,
) -> None:
    """The new value counts from the next read on. Signatures of webhooks are checked against both versions during --grace.

    After that, the old version is deleted once no attempt runs that started before.
    """
    from mainspring.domain.secrets.errors import UnknownSecretError, require_secret_name
    from mainspring.integrations.base.secret_provider import RotatingProvider
    from mainspring.resources.known_secrets import KNOWN_SECRETS
    from mainspring.service.secret import check_new_value, choose_provider, record_operation

    entry = choose_provider(invocation.secrets, require_secret_name(name), provider)
    if entry.provider.read(name) is None:
        raise UnknownSecretError(
            name,
            entry.provider.list_names() or (),
            f"{entry.provider.name} does not have it. Store it: mainspring secrets set {name}",
        )
    if entry.provider.name.startswith(("dir:", "keyring:")):
        raise SecretProviderError(
            f"the secret {name!r} cannot have two versions\nin {entry.provider.name}",
            hint=f"Replace it without a grace time: mainspring secrets set {name}",
        )
    span = parse_duration(grace)
    value = _generate_value(length) if generate else check_new_value(_read_value(invocation, name), may_be_short=short)
    KNOWN_SECRETS.add([value])
    store = invocation.make_store()  # before the change: without a store there is no record of it
    if verify is not None:
        _verify(verify, name, value)
    detail: dict[str, object] = {"provider": entry.provider.name}
    if isinstance(entry.provider, RotatingProvider):
        detail["version"] = entry.provider.rotate(name, value, grace_ms=to_milliseconds(span))
        detail["grace_s"] = int(span.total_seconds())
        old = f"counts for {grace}"
    else:
        detail["version"] = entry.provider.write(name, value)
        old = "counts until you delete it there: this provider has no --grace"
    record_operation(store, "rotate", name, act=invocation.act, detail=detail)
    text = f"The secret {name} is {detail['version']} in {entry.provider.name}. The old version {old}."
    invocation.output.document({"name": name, **detail}, text)


@command("remove", "delete a secret and all its versions")
@_NAME
@click.option("--provider", metavar="ADDRESS", help="delete it there (default: in the first that has it)")
@pass_invocation
def remove(invocation: Invocation, name: str, provider: str | None) -> None:
    """Asks for a confirmation; -y gives it. Code that reads the secret fails from then on: see `mainspring secrets log --name NAME`."""
    from mainspring.domain.secrets.errors import UnknownSecretError, require_secret_name
    from mainspring.integrations.base.secret_provider import RemovingProvider
    from mainspring.service.secret import choose_provider, record_operation

    chosen = choose_provider(invocation.secrets, require_secret_name(name), provider).provider
    if chosen.read(name) is None:
        hint = f"{chosen.name} does not have it. List all: mainspring secrets list"
        raise UnknownSecretError(name, chosen.list_names() or (), hint)
    if not isinstance(chosen, RemovingProvider):
        raise SecretProviderError(
            f"Mainspring cannot delete the secret {name!r}\nin {chosen.name}",
            hint="Delete it with the tools of this provider.",
        )
    store = invocation.make_store()  # before the change: without a store there is no record of it
    invocation.confirm(f"Delete the secret {name} in {chosen.name}")
    chosen.remove(name)
    detail = {"provider": chosen.name}
    record_operation(store, "remove", name, act=invocation.act, detail=detail)
    invocation.output.document({"name": name, **detail}, f"The secret {name} is deleted in {chosen.name}.")
    other = next((entry.provider.name for entry in invocation.secrets.entries if entry.provider.read(name)), None)
    if other is not None:
        invocation.output.warn(f"{other} has a secret {name}, too: from now on its value counts")


def _verify(words: str, name: str, value: str) -> None:
    """Run the command of the user with the new value. Raises OptionError if it does not succeed; then nothing was changed."""
    import os
    import shlex
    import subprocess

    from mainspring.domain.redaction.secret_name import command_variable_name
    from mainspring.resources.known_secrets import KNOWN_SECRETS
    from mainspring.resources.secret_variables import SECRET_VARIABLES

    environ = {**SECRET_VARIABLES.without(os.environ), command_variable_name(name): value}
    try:
        done = subprocess.run(
            shlex.split(words), env=environ, capture_output=True, timeout=_VERIFY_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _not_verified(f"it did not end within {_VERIFY_TIMEOUT_S:g} s") from None
    except (OSError, ValueError) as error:
        raise _not_verified(f"it cannot be run: {error}") from None
    if done.returncode:
        output = (done.stderr or done.stdout).decode("utf-8", "replace")
        lines = KNOWN_SECRETS.redact(output).strip().splitlines()
        raise _not_verified(f"it exits with {done.returncode}{f': {lines[-1][:200]}' if lines else ''}")


def _not_verified(problem: str) -> OptionError:
    return OptionError(
        f"the command of --verify does not accept the new value: {problem}",
        hint="Nothing was changed. Fix the value or the command, then rotate again.",
    )


def _generate_value(length: int) -> str:
    import secrets
    import string

    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _read_value(invocation: Invocation, name: str) -> str:
    """Return the value from a prompt, or all of stdin without the line end. Raises OptionError if it is not text."""
    try:
        if sys.stdin is not None and sys.stdin.isatty() and not invocation.flags.no_input:
            text = str(click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))
        else:
            text = sys.stdin.read() if sys.stdin is not None else ""
        text.encode()
    except UnicodeError:
        raise OptionError(
            f"the value of {name} is not text in UTF-8",
            hint=f"Store bytes as text: base64 FILE | mainspring secrets set {name}, and decode it in your code: "
            f'base64.b64decode(ms.secret("{name}").reveal())',
        ) from None
    return text.removesuffix("\n").removesuffix("\r")
