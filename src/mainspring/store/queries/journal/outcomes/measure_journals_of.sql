select run, count(*), sum(coalesce(length(input), 0) + coalesce(length(output), 0))
from journal where run in (select value from json_each(?)) group by run
