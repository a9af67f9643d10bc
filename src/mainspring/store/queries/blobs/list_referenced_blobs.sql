select blob from blobs where exists (select 1 from blob_references r where r.blob = blobs.blob) order by blob
