update deliveries set filter_sessions = coalesce(filter_sessions || ',', '') || cast(?1 as text)
where id in (select value from json_each(?2)) and state = {{received}}
  and ',' || coalesce(filter_sessions, '') || ',' not like '%,' || cast(?1 as text) || ',%'
