-- How the process of a lost worker ended ("exit 0", "SIGSEGV"); null = no one saw it. Also drains that no one asked for are losses.
alter table worker_losses add column ending text;
