"""Settings that every suite shares."""

from hypothesis import HealthCheck, settings

# Two loaded cores make single examples slow by chance: a deadline would report the machine, not the code.
settings.register_profile("mainspring", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mainspring")
