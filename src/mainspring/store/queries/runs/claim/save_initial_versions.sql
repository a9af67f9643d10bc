-- Of a fork, other code made the outcomes that it inherits.
update runs set versions = :versions
where id in (select value from json_each(:runs)) and claim = 1 and fork is null and session = :session
