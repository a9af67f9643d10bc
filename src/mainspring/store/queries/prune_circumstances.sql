-- The newest of each subject stays, and of hosts the newest of all.
delete from circumstances
where at < ?1 and (exists (select 1 from circumstances as newer
                           where newer.kind = circumstances.kind and newer.subject = circumstances.subject and newer.at > circumstances.at)
                   or (subject like 'host:%'
                       and exists (select 1 from circumstances as newer
                                   where newer.kind = circumstances.kind and newer.subject like 'host:%' and newer.at > circumstances.at)))
