update gatherings set deadline_at = deadline_at + :by where run is null and deadline_at > :pending and changed_at between :since and :until
