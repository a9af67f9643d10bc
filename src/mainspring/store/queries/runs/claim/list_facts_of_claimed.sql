select {{columns.inbox.fact}}
from (select cast(value as bigint) as seq from json_each(?)) as requested
join runs on runs.seq = requested.seq join inbox on inbox.run = runs.id order by inbox.seq
