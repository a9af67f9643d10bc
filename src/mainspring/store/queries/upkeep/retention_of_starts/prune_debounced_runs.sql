-- Those whose run has begun, or is gone.
delete from debounced_runs where not exists (
    select 1 from runs where runs.id = debounced_runs.run and runs.state = {{queued}} and runs.fresh = 1
)
