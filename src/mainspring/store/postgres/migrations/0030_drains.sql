-- How often a run was aboard a worker that drained although no one had asked it to: from the second time on the run is on probation.
alter table runs add column drains bigint not null default 0;
