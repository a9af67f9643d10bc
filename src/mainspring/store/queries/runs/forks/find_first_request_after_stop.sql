-- The first request that the code made after it had received a cancel or its deadline.
select min(request_number) from journal
where run = ?1 and superseded is null and kind not in ({{cancel}}, {{deadline}}, {{cleanup_timeout}}, {{undo}})
  and requested_after >= (select min(rank) from journal where run = ?1 and superseded is null and kind in ({{cancel}}, {{deadline}}, {{cleanup_timeout}}))
