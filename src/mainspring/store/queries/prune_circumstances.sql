delete from circumstances
where at < ?1 and exists (select 1 from circumstances as newer
                          where newer.kind = circumstances.kind and newer.at > circumstances.at
                            and (newer.subject = circumstances.subject
                                 or (newer.subject like 'host:%' and circumstances.subject like 'host:%')))
