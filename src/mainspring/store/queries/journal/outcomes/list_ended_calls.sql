-- For counting: the newest that count.
select name, kind, state, duration_us from journal where run = ? and superseded is null and kind in ({{step}}, {{child}}) order by rank desc limit ?
