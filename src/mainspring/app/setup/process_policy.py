"""Process policy from the settings: variables that commands inherit, networks that may be called, lock backends."""

from mainspring.config import Settings
from mainspring.integrations.base.egress_policy import EGRESS_POLICY
from mainspring.integrations.secret_providers import list_credential_variables
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.resources.secret_variables import SECRET_VARIABLES


def apply_process_policy(settings: Settings) -> None:
    """Apply the settings' policy to this process from now on."""
    SECRET_VARIABLES.allow(settings.secrets.pass_env)
    if settings.secrets.providers:
        SECRET_VARIABLES.withhold(list_credential_variables(settings.secrets.providers))
    EGRESS_POLICY.allow(settings.project.allowed_networks)
    ACTION_HOSTS.allow(settings.actions.http.allow)
    ACTION_HOSTS.limit({host: target.limits for host, target in settings.actions.http.targets.items()})
    if settings.locks:
        from mainspring.resources.lock_backends import LOCK_BACKENDS, LockAddress

        LOCK_BACKENDS.add(
            {name: LockAddress(backend.url, backend.lease.total_seconds()) for name, backend in settings.locks.items()}
        )
