update runs set probation = 0, crashes = case when :progressed > 0 then 0 else crashes end
where id = :run and claim = :claim and coalesce(session, 0) = :session
