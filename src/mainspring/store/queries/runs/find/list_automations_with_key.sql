-- One lookup in the keys of each automation: those with a key of this beginning. There are few automations and very many keys.
select found.name from (
    select automations.name, (
        select run_keys.key from run_keys
        where run_keys.automation = automations.name and run_keys.key >= ?1 and run_keys.key < ?2 order by run_keys.key limit 1
    ) as key from automations
) as found where found.key is not null limit ?3
