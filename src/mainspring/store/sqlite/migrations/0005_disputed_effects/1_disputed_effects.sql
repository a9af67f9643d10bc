-- Effects that were on record as done, and that their targets do not have: only a person decides on them.
alter table effects add column disputed integer not null default 0;
