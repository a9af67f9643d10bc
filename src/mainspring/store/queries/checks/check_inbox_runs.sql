select distinct inbox.run from inbox left join runs on runs.id = inbox.run where runs.id is null order by inbox.run limit 20
