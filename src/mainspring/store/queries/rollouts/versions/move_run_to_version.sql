-- Only as it was replayed: a claim since then has changed its number.
update runs set version = :to_version
where id = :run and version = :from_version and claim = :claim and session is null and finished_at is null and (state in {{idle}} or state = {{paused}}) returning queue
