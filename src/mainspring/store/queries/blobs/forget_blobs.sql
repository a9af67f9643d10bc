-- The time is compared once more outside: a reference that was committed beside this has set it to null.
delete from blobs where unreferenced_at > 0 and unreferenced_at < ?1 and blob in (
    select blob from blobs where unreferenced_at > 0 and unreferenced_at < ?1 and blob < (select value from meta where key = 'blobs.open_from')
    order by blob limit ?2
)
