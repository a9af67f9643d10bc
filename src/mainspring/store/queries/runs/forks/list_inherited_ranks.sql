-- The outcomes that a fork inherits: those of requests before the step. A cancel, a deadline and undos are of the end of the run.
select rank from journal
where run = ? and superseded is null and request_number < ? and kind not in ({{cancel}}, {{deadline}}, {{cleanup_timeout}}, {{undo}}) order by rank
