-- Stores an item that a peer has told of. If another item here has its key it is kept without.
-- ?1 id, ?2 digest, ?3 chain, ?4 iterations, ?5 remaining, ?6 state, ?7 home or -1, ?8 moves, ?9 trial,
-- ?10 enqueued wall, ?11 done wall or 0, ?12 pull, ?13 key, ?14 rank, ?15 clock, ?16 clock when done,
-- ?17 change or 0
INSERT INTO item (id, digest, chain, iterations, remaining, state, home, moves, trial, enqueued_wall,
    done_wall, pull, key, rank, since, done_at, closed, change)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, -1), ?8, ?9, ?10,
    nullif(?11, 0), ?12, iif(EXISTS (SELECT 1 FROM item WHERE key = ?13), NULL, ?13), ?14, ?15,
    iif(?11 = 0, NULL, ?16), iif(?6 >= 3, ?15, NULL), nullif(?17, 0));
