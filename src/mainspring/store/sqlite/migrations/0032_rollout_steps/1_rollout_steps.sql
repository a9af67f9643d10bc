-- The steps of a rollout that another step followed, each with the evidence on which the guard decided. That of the present step is in `rollouts`.
create table rollout_steps (
    rollout    integer not null,
    step       integer not null,                        -- counts from 0
    ended_at   integer not null,
    evidence   text,                                    -- domain.rollouts.guard_state.GuardState as JSON; null = no run counted
    primary key (rollout, step)
) strict, without rowid;
-- The runs of a rollout are counted without a read of all runs that any rollout assigned.
create index rollout_runs_by_outcome on rollout_runs (rollout, step, version, outcome);
