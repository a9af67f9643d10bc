select name, definition from automations where name in (select value from json_each(?))
