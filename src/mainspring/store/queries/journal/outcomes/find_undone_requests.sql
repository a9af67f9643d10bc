select min(step.request_number), min(back.requested_after)
from journal as back join journal as step on step.run = back.run and back.ident = 'undo:' || step.ident and step.superseded is null
where back.run = ? and back.kind = {{undo}} and back.state = {{succeeded}} and back.superseded is null
