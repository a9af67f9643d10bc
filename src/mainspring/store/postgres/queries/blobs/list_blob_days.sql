select distinct day from blob_contents order by day
