-- They are requests that were sent, or are about to be.
alter table http_targets rename column turns to requests;
