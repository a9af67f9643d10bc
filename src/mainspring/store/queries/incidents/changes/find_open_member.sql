-- An open member of an incident, unless its automation is retired: then it is not expected to be settled.
select 1 from failures where incident = ?1 and settlement is null
  and not exists (select 1 from automations where automations.name = failures.automation and automations.retired_at is not null)
limit 1
