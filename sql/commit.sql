-- Ends a batch: one fsync of the WAL.
COMMIT;
