update incidents set automation = ?1
where automation = ?2
  and not exists (select 1 from incidents as other where other.automation = ?1 and other.kind = incidents.kind and other.fingerprint = incidents.fingerprint)
