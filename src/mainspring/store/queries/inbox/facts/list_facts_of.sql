select {{columns.inbox.fact}}
from json_each(?) as wanted join inbox on inbox.run = wanted.value order by inbox.seq
