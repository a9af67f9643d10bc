select id, failure from runs where id in (select value from json_each(?)) and failure is not null
