-- What monitors ask for at each look: the slots of which the run has not begun.
create index runs_unbegun on runs (schedule, slot_at) where schedule is not null and started_at is null and finished_at is null;
-- Since when, and by what code, the loop of a process is blocked; null = it turns.
alter table sessions add column blocked text collate "C";
