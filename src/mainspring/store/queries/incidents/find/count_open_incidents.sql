select severity, kind, count(*) from incidents where state <> {{resolved}} group by severity, kind order by severity, kind
