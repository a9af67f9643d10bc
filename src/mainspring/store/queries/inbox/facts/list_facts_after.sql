select {{columns.inbox.fact}}
from runs join inbox on inbox.run = runs.id and inbox.seq > ?2 where runs.session = ?1 order by inbox.seq
