-- The store's record of each of these writers (?1 = JSON list), with its own id and epoch.
select (select value from meta where key = 'store'), (select cast(value as bigint) from meta where key = 'epoch'),
       requested.value, commits.number, commits.at
from json_each(?1) as requested left join commits on commits.writer = requested.value
