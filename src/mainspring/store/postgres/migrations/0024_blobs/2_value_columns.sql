create trigger effects_hold_blobs after insert on effects for each row
when (substring(new.identity from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('key', 'identity result');
create trigger effects_change_blobs after update of identity, result on effects for each row
when (substring(old.identity from 1 for 2) = '\x0040' or substring(new.identity from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('key', 'identity result');
create trigger effects_release_blobs after delete on effects for each row
when (substring(old.identity from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040') execute function track_blobs('key', 'identity result');

create trigger events_hold_blobs after insert on events for each row
when (substring(new.data from 1 for 2) = '\x0040') execute function track_blobs('seq', 'data');
create trigger events_change_blobs after update of data on events for each row
when (substring(old.data from 1 for 2) = '\x0040' or substring(new.data from 1 for 2) = '\x0040') execute function track_blobs('seq', 'data');
create trigger events_release_blobs after delete on events for each row
when (substring(old.data from 1 for 2) = '\x0040') execute function track_blobs('seq', 'data');

create trigger inbox_hold_blobs after insert on inbox for each row
when (substring(new.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');
create trigger inbox_change_blobs after update of payload on inbox for each row
when (substring(old.payload from 1 for 2) = '\x0040' or substring(new.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');
create trigger inbox_release_blobs after delete on inbox for each row
when (substring(old.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');

create trigger rejected_facts_hold_blobs after insert on rejected_facts for each row
when (substring(new.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');
create trigger rejected_facts_change_blobs after update of payload on rejected_facts for each row
when (substring(old.payload from 1 for 2) = '\x0040' or substring(new.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');
create trigger rejected_facts_release_blobs after delete on rejected_facts for each row
when (substring(old.payload from 1 for 2) = '\x0040') execute function track_blobs('seq', 'payload');

create trigger run_queries_hold_blobs after insert on run_queries for each row
when (substring(new.input from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result');
create trigger run_queries_change_blobs after update of input, result on run_queries for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(new.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result');
create trigger run_queries_release_blobs after delete on run_queries for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result');

create trigger run_updates_hold_blobs after insert on run_updates for each row
when (substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'result');
create trigger run_updates_change_blobs after update of result on run_updates for each row
when (substring(old.result from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'result');
create trigger run_updates_release_blobs after delete on run_updates for each row
when (substring(old.result from 1 for 2) = '\x0040') execute function track_blobs('id', 'result');

create trigger waits_hold_blobs after insert on waits for each row
when (substring(new.question from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'question');
create trigger waits_change_blobs after update of question on waits for each row
when (substring(old.question from 1 for 2) = '\x0040' or substring(new.question from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'question');
create trigger waits_release_blobs after delete on waits for each row
when (substring(old.question from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'question');

create trigger attempts_hold_blobs after insert on attempts for each row
when (substring(new.input from 1 for 2) = '\x0040') execute function track_blobs('run ident generation attempt', 'input');
create trigger attempts_change_blobs after update of input on attempts for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(new.input from 1 for 2) = '\x0040') execute function track_blobs('run ident generation attempt', 'input');
create trigger attempts_release_blobs after delete on attempts for each row
when (substring(old.input from 1 for 2) = '\x0040') execute function track_blobs('run ident generation attempt', 'input');

create trigger checkpoints_hold_blobs after insert on checkpoints for each row
when (substring(new.value from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'value');
create trigger checkpoints_change_blobs after update of value on checkpoints for each row
when (substring(old.value from 1 for 2) = '\x0040' or substring(new.value from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'value');
create trigger checkpoints_release_blobs after delete on checkpoints for each row
when (substring(old.value from 1 for 2) = '\x0040') execute function track_blobs('run ident', 'value');

create trigger journal_hold_blobs after insert on journal for each row
when (substring(new.input from 1 for 2) = '\x0040' or substring(new.output from 1 for 2) = '\x0040') execute function track_blobs('run rank', 'input output');
create trigger journal_change_blobs after update of input, output on journal for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(new.input from 1 for 2) = '\x0040' or substring(old.output from 1 for 2) = '\x0040' or substring(new.output from 1 for 2) = '\x0040') execute function track_blobs('run rank', 'input output');
create trigger journal_release_blobs after delete on journal for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(old.output from 1 for 2) = '\x0040') execute function track_blobs('run rank', 'input output');

create trigger runs_hold_blobs after insert on runs for each row
when (substring(new.input from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040' or substring(new.published from 1 for 2) = '\x0040' or substring(new.tags from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags');
create trigger runs_change_blobs after update of input, result, published, tags on runs for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(new.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040' or substring(old.published from 1 for 2) = '\x0040' or substring(new.published from 1 for 2) = '\x0040' or substring(old.tags from 1 for 2) = '\x0040' or substring(new.tags from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags');
create trigger runs_release_blobs after delete on runs for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(old.published from 1 for 2) = '\x0040' or substring(old.tags from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags');

create trigger deliveries_hold_blobs after insert on deliveries for each row
when (substring(new.body from 1 for 2) = '\x0040' or substring(new.data from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body data headers');
create trigger deliveries_change_blobs after update of body, data, headers on deliveries for each row
when (substring(old.body from 1 for 2) = '\x0040' or substring(new.body from 1 for 2) = '\x0040' or substring(old.data from 1 for 2) = '\x0040' or substring(new.data from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body data headers');
create trigger deliveries_release_blobs after delete on deliveries for each row
when (substring(old.body from 1 for 2) = '\x0040' or substring(old.data from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body data headers');

create trigger outbox_hold_blobs after insert on outbox for each row
when (substring(new.body from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body headers');
create trigger outbox_change_blobs after update of body, headers on outbox for each row
when (substring(old.body from 1 for 2) = '\x0040' or substring(new.body from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body headers');
create trigger outbox_release_blobs after delete on outbox for each row
when (substring(old.body from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'body headers');
