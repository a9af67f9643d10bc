update failures set fingerprint = ?1, failure = null
where seq in (select cast(value as bigint) from json_each(?2)) and fingerprint is null
returning seq
