update runs set tags = coalesce(wanted.tags, runs.tags), progress = coalesce(wanted.progress, runs.progress),
                published = coalesce(wanted.published, runs.published), detail = coalesce(wanted.detail, runs.detail)
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as bytea[]), cast(?4 as bytea[]), cast(?5 as bytea[]), cast(?6 as bytea[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, claim, tags, progress, published, detail)
where runs.id = wanted.run and runs.claim = wanted.claim and coalesce(runs.session, 0) = ?7
returning runs.id
