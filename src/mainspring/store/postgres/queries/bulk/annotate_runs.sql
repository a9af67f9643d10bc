update runs set tags = coalesce(requested.tags, runs.tags), progress = coalesce(requested.progress, runs.progress),
                published = coalesce(requested.published, runs.published), detail = coalesce(requested.detail, runs.detail)
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as bytea[]), cast(?4 as bytea[]), cast(?5 as bytea[]), cast(?6 as bytea[])) limit cardinality(cast(?1 as text[])))
     as requested(run, claim, tags, progress, published, detail)
where runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?7
returning runs.id
