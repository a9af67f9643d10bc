-- The steps of a rollout that another step followed, each with the evidence on which the guard decided. That of the present step is in `rollouts`.
create table rollout_steps (
    rollout    bigint not null,
    step       bigint not null,                         -- counts from 0
    ended_at   bigint not null,
    evidence   text collate "C",                        -- domain.rollouts.guard_state.GuardState as JSON; null = no run counted
    primary key (rollout, step)
);
-- The runs of a rollout are counted without a read of all runs that any rollout assigned.
create index rollout_runs_by_outcome on rollout_runs (rollout, step, version, outcome);
