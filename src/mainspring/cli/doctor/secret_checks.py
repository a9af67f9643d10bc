"""Secret checks: each one that is needed can be read, and no key stands in the configuration or in the files of automations."""

from collections.abc import Iterator
from pathlib import Path

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import format_count

_MOST_BYTES = 1024 * 1024
_MOST_FILES = 500


def check_secrets(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the secrets which configuration, automations and providers name can be read."""
    from mainspring.cli.secrets.secret_checks import find_problems

    names, problems = find_problems(invocation)
    for problem in problems:
        yield CheckResult("secrets", "problem", f"{problem['user']}: {problem['problem']}", problem["fix"])
    if not problems:
        yield make_ok_result("secrets", f"{format_count(len(names), 'secret')} can be read")


def check_literals(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that no literal with the form of a key stands in the configuration or in a file of automations."""
    from mainspring.domain.redaction.secret_detection import find_key_lines

    places = []
    for path in _list_files(invocation):
        text = path.read_bytes()[:_MOST_BYTES].decode("utf-8", "replace")
        places += [f"{path}:{number}" for number in find_key_lines(text)]
    for place in places:
        fix = "Revoke it, store the new one (mainspring secrets set NAME), and read it with ms.secret or secret:NAME."
        yield CheckResult("literals", "warning", f"a literal has the form of a key\nin {place}", fix)
    if not places:
        yield make_ok_result("literals", "no key stands in the configuration or in files of automations")


def _list_files(invocation: Invocation) -> list[Path]:
    """Return the configuration and the files of automations; modules are not searched."""
    settings = invocation.settings
    paths = [] if settings.file is None else [settings.file]
    for target in settings.project.automations:
        if target.endswith((".py", ".toml")):
            paths += sorted(Path("/").glob(target.lstrip("/")))
    return [path for path in dict.fromkeys(paths) if path.is_file()][:_MOST_FILES]
