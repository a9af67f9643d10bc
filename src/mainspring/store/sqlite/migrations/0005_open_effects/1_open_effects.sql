-- Effects that were on record as done, and that their targets do not have: only a person decides on them.
alter table effects add column disputed integer not null default 0;
-- Effects whose outcome no call has settled: a monitor reads the old ones.
create index effects_unknown on effects (settled_at) where state = 'unknown';
