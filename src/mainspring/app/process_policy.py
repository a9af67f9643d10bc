"""What the settings allow this whole process: variables that commands inherit, networks that may be called."""

from mainspring.config import Settings
from mainspring.resources.egress import EGRESS
from mainspring.resources.withheld import WITHHELD


def apply_policy(settings: Settings) -> None:
    """Allow what the settings allow, from now on."""
    WITHHELD.allow(settings.secrets.pass_env)
    EGRESS.allow(settings.project.allowed_networks)
