delete from locks where name = ?1 and (cast(?2 as bigint) is null or slot = ?2)
