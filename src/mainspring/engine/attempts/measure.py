"""`ms.measure(name, value)`: a number of the running step, committed with its outcome or not at all."""

import threading

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.measurement import MAX_NAMES, Measurement, check_measured_value, check_measurement_name
from mainspring.engine.attempts.step_context import current_step

_LOCK = threading.Lock()


def measure(name: str, value: float) -> None:
    """Add `value` to the number `name` of this step. Its unit is yours.

    The number counts if the step succeeds; an attempt that fails measures nothing. The number of a run is the sum over its steps and over
    the runs that it started. `mainspring rollout start --watch NAME` compares it between two versions.

    Raises:
        NotInStepError: no step is running here.
        ArgumentError: the name or the value cannot be used, or the step measures too many names.
    """
    step = current_step("measure()")
    check_measurement_name(name)
    check_measured_value(name, value)
    with _LOCK:  # several threads of one step may measure at the same time
        if name not in step.measured and len(step.measured) >= MAX_NAMES:
            raise ArgumentError(
                f"step {step.name!r} measures more than {MAX_NAMES} names",
                hint="Measure fewer, larger things: for example one total instead of a number for each item.",
            )
        total = step.measured.get(name, 0.0) + float(value)
        check_measured_value(name, total)
        step.channel.record(Measurement(name, total))
        step.measured[name] = total
