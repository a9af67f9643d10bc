insert into step_renames (run, old_name, new_name, at)
select cast(?1 as text), old_name, new_name, at from step_renames where run = ?2 and exists (select 1 from journal where run = ?1)
