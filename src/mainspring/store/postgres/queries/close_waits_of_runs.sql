delete from waits where run = any(cast(?1 as text[]))
