-- A reference that was committed beside the release of the last one: neither saw the other.
update blobs set unreferenced_at = null where unreferenced_at is not null and exists (select 1 from blob_references r where r.blob = blobs.blob)
