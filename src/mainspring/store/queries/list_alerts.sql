select incident, about, channel, state, made_at, due_at, ended_at, fault from alerts where (cast(?1 as text) is null or incident = ?1) order by seq desc limit ?2
