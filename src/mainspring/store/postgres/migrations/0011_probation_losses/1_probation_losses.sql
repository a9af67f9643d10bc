-- `up` counts these deaths several times a second while runs wait for the probation process.
create index worker_losses_of_probation on worker_losses (found_at) where role = 'probation';
