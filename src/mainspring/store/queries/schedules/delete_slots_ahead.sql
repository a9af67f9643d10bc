-- What was passed over and has not come yet is to come. What has its run keeps it.
delete from slots where schedule = ?1 and slot_at > ?2 and run is null
