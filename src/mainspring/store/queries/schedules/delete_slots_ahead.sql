-- Skipped slots that are not due yet will be served. A slot with a run keeps it.
delete from slots where schedule = ?1 and slot_at > ?2 and run is null
