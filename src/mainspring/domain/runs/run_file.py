"""A file of a run: what a person or program may know about it without its bytes; `ms.RunFile`."""

import msgspec


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file (`ms.FileRef`) in the stored values of a run, without its bytes.

    `number` = its place in the list, from 1. `size` in bytes; `sha256` of all bytes, in hex; `content_type` = its media type if known.
    `place` = the first value of the run that has it: "input", "result", "state" (`run.publish_state`), or the identity of a step.
    """

    number: int
    name: str
    size: int
    sha256: str
    content_type: str | None
    place: str
