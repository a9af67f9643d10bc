"""What a body says about itself."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """What a body says about itself, latest values; `changed` until the driver has sent them."""

    tags: dict[str, str] = field(default_factory=dict)
    published: bytes | None = None
    progress: tuple[int, int | None] | None = None
    hints: set[str] = field(default_factory=set)
    changed: bool = False
