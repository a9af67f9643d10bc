-- Each run separately: otherwise the server may scan all saved outcomes for a few of them.
select first.run, first.rank, first.ident, first.name, first.kind, first.state, first.requested_after, first.counts
from json_each(?1) as requested cross join lateral (
    select run, rank, ident, name, kind, state, requested_after, superseded is null as counts
    from journal where journal.run = requested.value and rank <= ?2 order by rank limit ?2) as first
order by first.run, first.rank
