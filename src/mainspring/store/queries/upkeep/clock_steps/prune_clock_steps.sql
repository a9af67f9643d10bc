-- The newest hundred are kept: a clock that is set all day must not fill a table.
delete from clock_steps where ended_at is not null and seq <= (select max(seq) from clock_steps) - 100
