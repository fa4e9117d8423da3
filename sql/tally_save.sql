-- Saves the counts and the queue clock; part of each batch.
-- ?1 clock, ?2 waiting, ?3 leased, ?4 done, ?5 pulled, ?6 cancelled, ?7 remaining,
-- ?8 change
UPDATE tally SET clock = ?1, waiting = ?2, leased = ?3, done = ?4, pulled = ?5, cancelled = ?6,
    remaining = ?7, change = ?8
WHERE one = 1;
