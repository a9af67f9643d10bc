-- What a process finds wrong with itself: an address that it cannot listen on, a secret that is not set. JSON; null = nothing.
alter table sessions add column findings text collate "C";
-- Deliveries that failed are few, and are looked for among many.
create index deliveries_failed on deliveries (trigger, seq) where state = 'failed';
