-- --recover: what makes a salvaged database whole.

-- name: recover_peers
-- The same of what is kept for peers; behind recover_tally.
INSERT INTO peer (node, kept_waiting, kept_leased, kept_done, kept_remaining)
SELECT node, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
    count(*) FILTER (WHERE state = 2), coalesce(sum(remaining) FILTER (WHERE state < 2), 0)
FROM (SELECT node, NULL AS state, NULL AS remaining FROM peer
    UNION ALL SELECT home, state, remaining FROM item WHERE home NOTNULL AND state < 3)
WHERE true
GROUP BY node
ON CONFLICT (node) DO UPDATE
SET kept_waiting = excluded.kept_waiting, kept_leased = excluded.kept_leased,
    kept_done = excluded.kept_done, kept_remaining = excluded.kept_remaining,
    told = min(told, (SELECT change FROM tally));

-- name: recover_senseless
-- Takes out of a database that was made anew the items that the schema allows and nothing here makes: half of
-- a row is of an old state of the disk. This node would never get on with one, or its peers refuse all that
-- it tells. They count as lost. The limits are those of what nodes tell each other (fcgi/peering/peer_json.c).
INSERT OR IGNORE INTO temp.lost
SELECT seq FROM item WHERE (remaining = 0) <> (state IN (2, 3))
    OR (remaining = iterations - 1 AND chain <> digest)
    OR (state IN (2, 3) AND (done_at IS NULL OR coalesce(done_wall, 0) NOT BETWEEN 1 AND 253402300799999))
    OR enqueued_wall NOT BETWEEN 0 AND 253402300799999
    OR home NOT BETWEEN 0 AND 255
    OR moves NOT BETWEEN 0 AND 1073741824
    OR trial NOT BETWEEN 0 AND 1073741824
    OR (pull NOTNULL AND (state <> 3 OR length(pull) <> 19))
    OR (key NOTNULL AND (length(key) NOT BETWEEN 1 AND 255 OR key GLOB '*[^!-~]*'));
DELETE FROM item WHERE seq IN (SELECT seq FROM temp.lost);

-- name: recover_tally
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
