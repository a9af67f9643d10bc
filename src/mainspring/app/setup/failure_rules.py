"""The user's failure rules, as the configuration names them: they tell passing failures from lasting ones."""

from pathlib import Path

from mainspring.app.setup.object_import import import_named_object
from mainspring.domain.errors import ConfigError, DefinitionError
from mainspring.domain.failures.classifier import Classifier, Rule
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.isolation import import_name_of


def make_classifier(names: tuple[str, ...], folder: Path) -> Classifier | None:
    """Return the classifier that calls these rules first, in their order; None without rules.

    Raises:
        ConfigError: one cannot be imported, or child processes could not import it.
    """
    return Classifier([_load_rule(name, folder) for name in names]) if names else None


def _load_rule(name: str, folder: Path) -> Rule:
    try:
        rule: Rule = import_named_object(name, folder)
    except Exception as error:
        raise _rule_error(name, f"it cannot be imported: {escape(f'{type(error).__name__}: {error}', 300)}") from error
    if not callable(rule):
        raise _rule_error(name, "it is not a function")
    try:
        import_name_of(rule)
    except DefinitionError as error:
        raise _rule_error(name, f"child processes cannot import it: {error.message}") from error
    return rule


def _rule_error(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"`project.classify` {name!r} cannot be used: {reason}",
        hint="It must name a function of a module, `def rule(error: BaseException) -> ms.Verdict | None`; see "
        "how-to/retries.",
    )
