-- Schedules that a person or program created, beside those declared in code.
alter table schedules add column options text;                    -- JSON: the stated options; null = declared in code
alter table schedules add column version integer not null default 1;  -- greater after each operation on a created one
alter table schedules add column paused_at integer;
alter table schedules add column created_at integer;
alter table schedules add column deleted_at integer;

-- When created schedules were paused. Never pruned: the notes of slots refer to it.
create table schedule_pauses (
    schedule  text not null,
    paused_at integer not null,
    ended_at  integer,                              -- when it was resumed or deleted
    paused_by text not null,
    reason    text,
    primary key (schedule, paused_at)
) strict, without rowid;
