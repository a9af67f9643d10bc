select id from runs where id in (select value from json_each(?1)) and (finished_at is not null or state = {{needs_attention}})
union all
select id from run_updates where id in (select value from json_each(?1)) and replied_at is not null
union all
select id from run_queries where id in (select value from json_each(?1)) and answered_at is not null
union all
select value from json_each(?1) as place
where case when substr(place.value, 1, 1) = '[' then
      exists (select 1 from stream_chunks where run = json_extract(place.value, '$[0]') and stream = json_extract(place.value, '$[1]')
                                            and seq + records > json_extract(place.value, '$[2]') + 1)
      or exists (select 1 from logs where json_extract(place.value, '$[1]') is null and run = json_extract(place.value, '$[0]')
                                      and seq + lines > json_extract(place.value, '$[2]') + 1)
      or exists (select 1 from runs where id = json_extract(place.value, '$[0]') and (finished_at is not null or state = {{needs_attention}}))
      else false end
