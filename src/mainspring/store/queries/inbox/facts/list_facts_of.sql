select inbox.seq, inbox.run, inbox.kind, inbox.name, inbox.at, inbox.ident, inbox.payload, inbox.failure, inbox.source
from json_each(?) as wanted join inbox on inbox.run = wanted.value order by inbox.seq
