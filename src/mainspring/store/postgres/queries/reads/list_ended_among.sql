select id from runs where id in (select value from json_each(?1)) and (finished_at is not null or state = {{needs_attention}})
union all
select id from run_updates where id in (select value from json_each(?1)) and replied_at is not null
union all
select id from run_queries where id in (select value from json_each(?1)) and answered_at is not null
union all
select place.value from json_each(?1) as place
where case when left(place.value, 1) = '[' then
      exists (select 1 from stream_chunks where run = cast(place.value as jsonb) ->> 0 and stream = cast(place.value as jsonb) ->> 1
                                            and seq + records > cast(cast(place.value as jsonb) ->> 2 as bigint) + 1)
      or exists (select 1 from logs where cast(place.value as jsonb) ->> 1 is null and run = cast(place.value as jsonb) ->> 0
                                      and seq + lines > cast(cast(place.value as jsonb) ->> 2 as bigint) + 1)
      or exists (select 1 from runs where id = cast(place.value as jsonb) ->> 0 and (finished_at is not null or state = {{needs_attention}}))
      else false end
