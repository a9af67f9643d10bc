"""Settings that every suite shares."""

import signal
import threading

from hypothesis import HealthCheck, settings

# Two loaded cores make single examples slow by chance: a deadline would report the machine, not the code.
settings.register_profile("mainspring", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mainspring")

if threading.current_thread() is threading.main_thread():
    # Runners and shells may start us with SIGINT ignored, which children would inherit: tests of Ctrl-C need the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
