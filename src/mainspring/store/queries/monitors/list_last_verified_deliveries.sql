-- The last delivery of a known sender of each of these triggers (a list as JSON), if it came after the delivery of number ?1.
select trigger, max(received_at) from deliveries
where seq > ?1 and trigger in (select value from json_each(?2)) and verified is not null and state <> {{refused}} group by trigger
