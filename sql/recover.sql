-- --recover: makes a salvaged database whole.

-- name: recover_senseless
-- Removes items that the schema allows but this program never makes: half of such a row is of an old state of
-- the disk, and the node could never finish it. They count as lost.
INSERT OR IGNORE INTO temp.lost
SELECT seq FROM item WHERE (remaining = 0) <> (state IN (2, 3))
    OR (remaining = iterations - 1 AND chain <> digest)
    OR (state IN (2, 3) AND (done_at IS NULL OR coalesce(done_wall, 0) NOT BETWEEN 1 AND 253402300799999))
    OR enqueued_wall NOT BETWEEN 0 AND 253402300799999
    OR (state = 1 AND lease IS NULL)
    OR since NOT BETWEEN 0 AND 9007199254740991 OR coalesce(deadline, 0) NOT BETWEEN 0 AND 9007199254740991
    OR coalesce(closed, 0) NOT BETWEEN 0 AND 9007199254740991
    OR coalesce(done_at, 0) NOT BETWEEN 0 AND 9007199254740991
    OR (pull NOTNULL AND (state <> 3 OR length(pull) <> 19))
    OR (key NOTNULL AND (length(key) NOT BETWEEN 1 AND 255 OR key GLOB '*[^!-~]*'));
DELETE FROM item WHERE seq IN (SELECT seq FROM temp.lost);
DELETE FROM point WHERE at NOT BETWEEN 0 AND 9007199254740991
    OR NOT EXISTS (SELECT 1 FROM item WHERE seq = item AND point.remaining BETWEEN 1 AND iterations - 1);
DELETE FROM lease;
INSERT INTO lease (id, due, held, items)
SELECT lease, min(deadline), count(*), json_group_array(seq) FROM item WHERE state = 1 GROUP BY lease;
UPDATE pull SET closed = 0 WHERE closed NOT BETWEEN 0 AND 9007199254740991;
UPDATE reservation SET closed = 0 WHERE closed NOT BETWEEN 0 AND 9007199254740991;
UPDATE worker SET last_seen = 0 WHERE last_seen NOT BETWEEN 0 AND 9007199254740991;
UPDATE machine SET launched = 0, changed = 0
WHERE launched NOT BETWEEN 0 AND 9007199254740991 OR changed NOT BETWEEN 0 AND 9007199254740991;
DELETE FROM loan WHERE deadline NOT BETWEEN 0 AND 9007199254740991;
DELETE FROM history WHERE at NOT BETWEEN 0 AND 253402300799 OR at % width <> 0 OR seconds NOT BETWEEN 1 AND width
    OR enqueued < 0 OR done < 0 OR pulled < 0 OR iterations < 0 OR refused < 0 OR waiting < 0 OR oldest_wait < 0
    OR workers < 0 OR machines < 0;

-- name: recover_tally
-- Counts the rows of a salvaged database. The queue clock does not go back before the time of any row.
-- ?1 the old clock or 0, ?2 the old number of the last batch or 0, ?3 what was paused,
-- ?4 when the last backup was made
UPDATE tally SET
    clock = max(iif(?1 BETWEEN 0 AND 9007199254740991, ?1, 0),
        (SELECT coalesce(max(max(since, coalesce(done_at, 0), coalesce(closed, 0))), 0) FROM item),
        (SELECT coalesce(max(last_seen), 0) FROM worker)),
    waiting = (SELECT count(*) FROM item WHERE state = 0),
    leased = (SELECT count(*) FROM item WHERE state = 1),
    done = (SELECT count(*) FROM item WHERE state = 2),
    pulled = (SELECT count(*) FROM item WHERE state = 3),
    cancelled = (SELECT count(*) FROM item WHERE state = 4),
    remaining = (SELECT coalesce(sum(remaining), 0) FROM item WHERE state < 2),
    batch = ?2,
    paused = ?3,
    backed_up = ?4,
    virtual = coalesce((SELECT min(rank) FROM item WHERE state = 0), virtual),
    top = max(top, (SELECT coalesce(max(rank), 0) FROM item WHERE state = 0))
WHERE one = 1;

-- name: recover_clients
-- Counts the items of each client. Those whose client was lost are nobody's: operators hand them out.
DELETE FROM client WHERE seq NOT BETWEEN 0 AND 999999 OR (name = '') <> (seq = 0)
    OR length(CAST(name AS BLOB)) > 64 OR instr(CAST(name AS BLOB), x'00') > 0;
INSERT OR IGNORE INTO client (seq, name) VALUES (0, '');
UPDATE OR IGNORE item SET client = 0 WHERE client NOT IN (SELECT seq FROM client);
UPDATE item SET client = 0, key = NULL WHERE client NOT IN (SELECT seq FROM client);
UPDATE client SET
    finish = max(finish, (SELECT coalesce(max(rank), 0) FROM item WHERE item.client = client.seq AND state = 0)),
    waiting = (SELECT count(*) FROM item WHERE item.client = client.seq AND state = 0),
    leased = (SELECT count(*) FROM item WHERE item.client = client.seq AND state = 1),
    done = (SELECT count(*) FROM item WHERE item.client = client.seq AND state = 2),
    pulled = (SELECT count(*) FROM item WHERE item.client = client.seq AND state = 3),
    cancelled = (SELECT count(*) FROM item WHERE item.client = client.seq AND state = 4),
    remaining = (SELECT coalesce(sum(item.remaining), 0) FROM item WHERE item.client = client.seq AND state < 2);
