-- Who is to answer a question, and when they are reminded. Spans in ms from the opening of the question.
alter table waits add column assignee text;       -- a person or team
alter table waits add column remind_ms integer;
alter table waits add column escalate_ms integer;        -- from then on the assignee is the next column
alter table waits add column escalate_to text;
