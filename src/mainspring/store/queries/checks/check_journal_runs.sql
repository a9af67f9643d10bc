select distinct run from journal where not exists (select 1 from runs where runs.id = journal.run) order by run limit 20
