-- How many runs the slot was given: a person may repeat it, and the newest run counts.
alter table slots add column number bigint not null default 1;
