(cast(?4 as text) is null or actor in (select value from json_each(?4)))
  and (cast(?5 as text) is null or actor like ?5 || ':%')
  and (cast(?6 as text) is null or verb = ?6)
  and (cast(?7 as text) is null or subject = 'automation:' || ?7
       or subject like 'run:%' and coalesce((select automation from runs where id = substr(subject, 5)), '') = ?7
       or subject like 'incident:%' and coalesce((select automation from incidents where id = substr(subject, 10)), '') = ?7)
