-- The item that an idempotency key has stored before.
-- ?1 key
SELECT id, digest, iterations FROM item WHERE key = ?1;
