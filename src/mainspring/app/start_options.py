"""`options(...)` of an app and of a client: the start options that users write, once."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Generic, Literal, TypeVar

from mainspring.domain.definitions.start_options import StartOptions

S = TypeVar("S")


class StartsWithOptions(ABC, Generic[S]):
    """Starts runs, with options if a starter of type S was asked for."""

    def options(
        self,
        *,
        key: str | None = None,
        key_policy: Literal["reuse", "restart"] = "reuse",
        at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        tag: str | None = None,
        tags: dict[str, str] | None = None,
        title: str | None = None,
    ) -> S:
        """Return a starter that applies these options to its runs."""
        return self._make_starter(
            StartOptions(
                key=key,
                key_policy=key_policy,
                due_at=None if at is None else round(at.timestamp() * 1000),
                queue=queue,
                priority=priority,
                tag=tag,
                tags=tags,
                title=title,
            )
        )

    @abstractmethod
    def _make_starter(self, options: StartOptions) -> S:
        """Return a starter with these options."""
