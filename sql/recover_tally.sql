-- Counts the rows of a database that was made anew from an old one. The queue clock and the last change do
-- not go back behind what any row says.
-- ?1 the old clock or 0, ?2 the old last change or 0
UPDATE tally SET
    clock = max(?1,
        (SELECT coalesce(max(max(since, coalesce(done_at, 0), coalesce(closed, 0))), 0) FROM item),
        (SELECT coalesce(max(last_seen), 0) FROM worker)),
    waiting = (SELECT count(*) FROM item WHERE state = 0 AND home IS NULL),
    leased = (SELECT count(*) FROM item WHERE state = 1 AND home IS NULL),
    done = (SELECT count(*) FROM item WHERE state = 2 AND home IS NULL),
    pulled = (SELECT count(*) FROM item WHERE state = 3),
    cancelled = (SELECT count(*) FROM item WHERE state = 4),
    remaining = (SELECT coalesce(sum(remaining), 0) FROM item WHERE state < 2 AND home IS NULL),
    change = max(?2, (SELECT coalesce(max(change), 0) FROM item))
WHERE one = 1;
