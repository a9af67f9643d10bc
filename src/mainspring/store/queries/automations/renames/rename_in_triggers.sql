update triggers set automation = ?1, name = ?1 || substr(name, length(?2) + 1)
where automation = ?2 and not exists (select 1 from triggers as other where other.name = ?1 || substr(triggers.name, length(?2) + 1))
