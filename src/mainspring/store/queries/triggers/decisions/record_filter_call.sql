update deliveries set asked = coalesce(asked || ',', '') || cast(?1 as text)
where id in (select value from json_each(?2)) and state = {{received}}
  and ',' || coalesce(asked, '') || ',' not like '%,' || cast(?1 as text) || ',%'
