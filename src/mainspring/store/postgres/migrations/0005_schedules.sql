-- What makes a schedule the same one although its data were made anew (dates of another year of holidays). Null until it is announced anew.
alter table schedules add column key text collate "C";
-- From when on its data are as they stand: what was due before was told by others. Null = since it began.
alter table schedules add column spec_at bigint;
create table pauses (
    automation text collate "C" not null,
    paused_at  bigint not null,
    until_at   bigint,                             -- when it ends by itself
    ended_at   bigint,                             -- when somebody ended it, or another one began
    paused_by  text collate "C" not null,
    reason     text collate "C",
    primary key (automation, paused_at)
);
