select run from journal group by run having min(rank) <> 1 or max(rank) <> count(*) order by run limit 20
