-- The processes that a supervisor keeps, so that it can be told which of them is missing.
alter table sessions add column posts text collate "C" not null default '[]'; -- JSON list of roles, one for each process
-- How many runs a worker takes at once, so that the capacity of a queue can be summed over machines; null = it takes none.
alter table sessions add column capacity bigint;
-- What the runs of a schedule are given, sealed: with it a scheduler needs nobody's code. Null until it is announced anew.
alter table schedules add column input bytea;
