-- Those of these deliveries that were replayed.
select distinct replay_of from deliveries where replay_of is not null and replay_of in (select value from json_each(?))
