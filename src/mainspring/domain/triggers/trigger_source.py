"""The source of a trigger: the base of all kinds, by which the rest of the program asks a source about itself."""

from typing import Any, ClassVar, Self

import msgspec

CONSUMER_LOCK_PREFIX = "trigger:"
"""A lock of this name, with the trigger's behind it, is held while the only consumer of a trigger runs."""


class TriggerTopic(msgspec.Struct, frozen=True):
    """A topic of a trigger inside the store. kind: event or run; `condition` = JSON: an event's values by path, or the
    end states of a run.
    """

    kind: str
    name: str
    condition: str


class TriggerSource(msgspec.Struct, frozen=True, kw_only=True):
    """One source. A kind derives from it and states its name as the tag; its fields are stored as JSON.

    `required_options` and `further_options` are those of its decorator `ms.on.KIND`; `parse` gets them by name.
    """

    required_options: ClassVar[tuple[str, ...]] = ()
    further_options: ClassVar[tuple[str, ...]] = ()
    has_flow_control: ClassVar[bool] = True
    """Whether it takes the options of flow control; False if it starts once by itself."""
    is_fetched: ClassVar[bool] = False
    """Whether a consumer fetches from it."""

    @classmethod
    def parse(cls, *values: Any, **options: Any) -> Self:
        """Return the declared source. Raises OptionError for a value that cannot be used."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return the source in one line; it names secrets and contains none."""
        raise NotImplementedError

    def topics(self) -> tuple[TriggerTopic, ...]:
        """Return the topics inside the store that start it."""
        return ()

    def upstream(self) -> tuple[str, ...]:
        """Return the automations whose ends start it."""
        return ()

    def upstream_states(self) -> tuple[str, ...]:
        """Return the end states of their runs that count."""
        return ()

    def secret_names(self) -> tuple[str, ...]:
        """Return the names of the secrets that it needs."""
        return ()

    def counted_from(self, base: str) -> Self:
        """Return the same with absolute paths; `base` is absolute."""
        return self
