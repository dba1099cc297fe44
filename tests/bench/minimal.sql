-- The least that recording one event could be: insert it, update the balance of one of 10,000 customers.
\set customer random(1, 10000)
\set number random(1, 9000000000000000000)
BEGIN;
INSERT INTO bench_event (customer_id, source, event_id, month, time, data) VALUES (:customer, 'bench/load', :number::text, '2026-11-01', now(), '{"tokens": 1234, "model": "large"}');
UPDATE bench_balance SET prepaid_micros = prepaid_micros - 1234 WHERE customer_id = :customer;
COMMIT;
