-- Ids are shown and accepted by their last characters: 2 of the kind, 10 of the time and 10 of chance stand before them.
create index runs_short       on runs (substr(id, 23));
create index deliveries_short on deliveries (substr(id, 23));
create index events_short     on events (substr(id, 23));
create index incidents_short  on incidents (substr(id, 23));
