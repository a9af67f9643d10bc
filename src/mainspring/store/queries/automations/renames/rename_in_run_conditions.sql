update circumstances set subject = 'automation:' || ?1
where subject = 'automation:' || ?2
  and not exists (select 1 from circumstances as other
                  where other.kind = circumstances.kind and other.subject = 'automation:' || ?1 and other.at = circumstances.at)
