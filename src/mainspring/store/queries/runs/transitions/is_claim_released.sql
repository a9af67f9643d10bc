select 1 from runs where id = ? and claim = ? and session is null
