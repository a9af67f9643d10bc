select parent, count(*) from incidents where state <> {{resolved}} and parent is not null group by parent
