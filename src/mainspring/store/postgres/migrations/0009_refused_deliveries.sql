-- What was turned away at a door is trimmed with each further refusal; no statement went by the state of all deliveries.
create index deliveries_refused on deliveries (trigger, seq) where state = 'refused';
drop index deliveries_state;
