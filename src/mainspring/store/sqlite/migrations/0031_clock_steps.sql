-- Steps of the clock (domain.clock_step): it was set by `by_ms`, and showed `at` then. Durations that were pending move with it, piece by piece:
-- `stage` is the state of the runs that are next, `reached` the last run moved in it, `last` the newest run of that moment. `ended_at` = all moved.
-- See docs/adr/0021-durations-survive-a-clock-that-is-set.md.
create table clock_steps (
    seq       integer primary key autoincrement,
    at        integer not null,
    by_ms     integer not null,
    lived     integer not null,                     -- 1 = a process lived through it; 0 = found afterwards
    since_at  integer not null,                     -- what was written before does not move
    until_at  integer not null,                     -- what was written after does not move
    stage     integer not null default 0,
    reached   integer not null default 0,
    last      integer not null,
    last_event integer not null,                    -- the newest event of that moment
    moved     integer not null default 0,           -- runs whose durations were moved
    ended_at  integer
) strict;
create index clock_steps_open on clock_steps (seq) where ended_at is null;

-- The steps that a run lived through, as domain.clock_step.RunClockSteps writes them.
alter table runs add column clock_steps text;
