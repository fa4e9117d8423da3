-- Stores a new item. With one iteration it is done at once.
-- ?1 id, ?2 digest, ?3 iterations, ?4 rank, ?5 clock, ?6 key or NULL, ?7 wall time, ?8 state,
-- ?9 change or 0
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, key, enqueued_wall,
    done_at, done_wall, change)
VALUES (?1, ?2, ?2, ?3, ?3 - 1, ?8, ?4, ?5, ?6, ?7, iif(?8 = 2, ?5, NULL), iif(?8 = 2, ?7, NULL),
    nullif(?9, 0));
