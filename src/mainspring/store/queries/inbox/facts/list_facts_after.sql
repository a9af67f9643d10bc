select inbox.seq, inbox.run, inbox.kind, inbox.name, inbox.at, inbox.ident, inbox.payload, inbox.failure, inbox.source
from runs join inbox on inbox.run = runs.id and inbox.seq > ?2 where runs.session = ?1 order by inbox.seq
