-- What makes a schedule the same one although its data were made anew (dates of another year of holidays). Null until it is announced anew.
alter table schedules add column key text;
-- From when on its data are as they stand: what was due before was told by others. Null = since it began.
alter table schedules add column spec_at integer;
create table pauses (
    automation text not null,
    paused_at  integer not null,
    until_at   integer,                             -- when it ends by itself
    ended_at   integer,                             -- when somebody ended it, or another one began
    paused_by  text not null,
    reason     text,
    primary key (automation, paused_at)
) strict, without rowid;
