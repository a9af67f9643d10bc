-- The last two references may have been released at once: neither saw that it was the last one.
update blobs set unreferenced_at = ?
where unreferenced_at is null and blob < (select value from meta where key = 'blobs.open_from')
    and not exists (select 1 from blob_references r where r.blob = blobs.blob)
