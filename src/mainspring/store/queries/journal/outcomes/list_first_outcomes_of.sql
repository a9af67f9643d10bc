select run, rank, ident, name, kind, state, requested_after, superseded is null
from json_each(?1) as requested cross join journal on run = requested.value and rank <= ?2 order by run, rank
