"""`options(...)` of an app and of a client: the start options that users write, once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from mainspring.domain.definitions.start_options import KeyPolicy, StartOptions
from mainspring.domain.failures.retry import Retry

S = TypeVar("S")


class StartsWithOptions(ABC, Generic[S]):
    """Starts runs, with options if a starter of type S was asked for."""

    def options(
        self,
        *,
        key: str | None = None,
        key_policy: KeyPolicy = "reuse",
        join: Literal["same", "any"] = "same",
        request_id: str | None = None,
        at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        tag: str | None = None,
        tags: dict[str, str] | None = None,
        title: str | None = None,
        retry: Retry | int | Mapping[str, Any] | None = None,
    ) -> S:
        """Return a starter that applies these options to its runs.

        `key_policy` decides what a start does if its key has a run already: "reuse" = the answer is that run; "restart" = a failed or
        cancelled one is followed by a new run; "one_live" = the answer is that run until it has ended; "replace" = that run is
        cancelled, and the new one begins when it has ended. `join="any"`: with "one_live", another input joins the live run, too.
        `request_id` = the id of this start: sent again within 24 hours, it gets the same run.

        `retry` = how often, and how far apart, the run continues by itself after it failed: from its failure, or with
        `ms.Retry(..., restart=True)` from its first step.
        """
        return self._make_starter(
            StartOptions(
                key=key,
                key_policy=key_policy,
                join=join,
                request_id=request_id,
                due_at=None if at is None else round(at.timestamp() * 1000),
                queue=queue,
                priority=priority,
                tag=tag,
                tags=tags,
                title=title,
                retry=retry,
            )
        )

    @abstractmethod
    def _make_starter(self, options: StartOptions) -> S:
        """Return a starter with these options."""
