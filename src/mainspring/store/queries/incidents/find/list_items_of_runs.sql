-- The items of failed runs (?1 = JSON list of ids), as of their newest failure.
select f.run, f.item from json_each(?1) as requested join failures as f on f.run = requested.value
where f.seq = (select max(newest.seq) from failures as newest where newest.run = f.run)
