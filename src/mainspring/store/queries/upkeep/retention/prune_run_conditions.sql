-- The newest of each automation stays, of hosts only the newest of all: each container is one. A search of all of a kind for each would hold up every commit.
delete from circumstances
where at < ?1
  and (exists (select 1 from circumstances as newer
               where newer.kind = circumstances.kind and newer.subject = circumstances.subject and newer.at > circumstances.at)
       or (subject like 'host:%'
           and exists (select 1 from circumstances as newer
                       where newer.kind = circumstances.kind and newer.subject like 'host:%' and newer.at > circumstances.at)))
