-- A request was made after an outcome: by its new rank, or that of the inherited one before it.
update journal set requested_after = case when requested_after > cast(:last as bigint) then cast(:last as bigint) else requested_after end - cast(:shift as bigint)
where run = :fork and requested_after >= :first and requested_after < :next
