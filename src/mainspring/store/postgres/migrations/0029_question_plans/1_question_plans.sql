-- Who is to answer a question, and when they are reminded. Spans in ms from the opening of the question.
alter table waits add column assignee text collate "C";       -- a person or team
alter table waits add column remind_ms bigint;
alter table waits add column escalate_ms bigint;        -- from then on the assignee is the next column
alter table waits add column escalate_to text collate "C";
