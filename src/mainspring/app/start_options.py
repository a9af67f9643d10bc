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
        headers: Mapping[str, str] | None = None,
    ) -> S:
        """Return a starter that applies these options to its runs.

        `key` = the run key: a second start with it and the same input gets the first run. `at` = the earliest instant, with a time zone.
        `queue`, `priority` and `tag` take precedence over those of the automation. `tags` = words to find the run by. `title` = its title.

        `key_policy` decides about a start whose key has a run already. With "reuse" the start gets that run. With "restart" a new run
        follows one that failed or was cancelled. With "one_live" the start gets that run until it has ended. With "replace" that run is
        cancelled, and the new one begins after its end. With "one_live" and `join="any"`, a start with another input gets the live run too.
        `request_id` = the id of this start: sent again within 24 hours, it gets the same run.

        `retry` = how often, and how far apart, the run continues by itself after it failed: from its failure, or with
        `ms.Retry(..., restart=True)` from its first step.

        `headers` = texts by name, at most 8 KiB of JSON: `run.headers` and `ms.headers()` return them in the run and its steps, and in all
        runs that follow from it.
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
                headers=headers,
            )
        )

    @abstractmethod
    def _make_starter(self, options: StartOptions) -> S:
        """Return a starter with these options."""
