select {{columns.inbox.fact}}
from json_each(?) as requested join inbox on inbox.run = requested.value order by inbox.seq
