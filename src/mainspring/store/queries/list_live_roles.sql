select distinct role from sessions where state in ({{alive}}, {{draining}})
