select run, rank, ident, name, kind, state, asked_after, superseded is null
from journal where run in (select value from json_each(?1)) and rank <= ?2 order by run, rank
