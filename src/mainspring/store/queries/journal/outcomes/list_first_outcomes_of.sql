select run, rank, ident, name, kind, state, asked_after, superseded is null
from json_each(?1) as wanted cross join journal on run = wanted.value and rank <= ?2 order by run, rank
