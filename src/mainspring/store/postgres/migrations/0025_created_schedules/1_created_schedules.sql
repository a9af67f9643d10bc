-- Schedules that a person or program created, beside those declared in code.
alter table schedules add column options text collate "C";         -- JSON: the stated options; null = declared in code
alter table schedules add column version bigint not null default 1;  -- greater after each operation on a created one
alter table schedules add column paused_at bigint;
alter table schedules add column created_at bigint;
alter table schedules add column deleted_at bigint;

-- When created schedules were paused. Never pruned: the notes of slots refer to it.
create table schedule_pauses (
    schedule  text collate "C" not null,
    paused_at bigint not null,
    ended_at  bigint,                               -- when it was resumed or deleted
    paused_by text collate "C" not null,
    reason    text collate "C",
    primary key (schedule, paused_at)
);
