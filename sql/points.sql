-- Points: links of items that take more than one report. An item gets one whenever 1/128 of its chain has been
-- reported since the last, so these are at most 127; and when a worker gives it up, while that leaves room for them
-- among 256.

-- name: point_report
-- Keeps points of a report, before report_apply. The table `reported` is the present report, see
-- fcgi/rows/report_table.h. What is given back as it was reported before is of that time, and of who reported it.
-- ?1 worker, ?2 clock
INSERT OR IGNORE INTO point (item, remaining, chain, worker, at)
SELECT reported.seq, reported.remaining, reported.chain,
    iif(reported.remaining < item.remaining, ?1, item.worker),
    iif(reported.remaining < item.remaining, ?2, coalesce(item.moved, ?2))
FROM reported CROSS JOIN item ON item.seq = reported.seq
WHERE reported.remaining > 0
    AND ((reported.remaining < item.remaining
            AND coalesce((SELECT min(point.remaining) FROM point WHERE point.item = item.seq), item.iterations)
                - reported.remaining > item.iterations / 128)
        OR (reported.state = 0 AND reported.remaining < item.granted
            AND (SELECT count(*) FROM point WHERE point.item = item.seq)
                < 256 - reported.remaining / (item.iterations / 128 + 1)));

-- name: point_lapse
-- Keeps what was reported last of the items that lapse is to let lapse: the next worker goes on from there.
-- ?1 clock, ?2 lease
INSERT OR IGNORE INTO point (item, remaining, chain, worker, at)
SELECT seq, remaining, chain, worker, coalesce(moved, ?1) FROM item
WHERE seq IN (SELECT value FROM lease CROSS JOIN json_each(lease.items) WHERE lease.id = ?2)
    AND state = 1 AND lease = ?2 AND deadline <= ?1 AND remaining < granted
    AND (SELECT count(*) FROM point WHERE point.item = item.seq) < 256 - remaining / (iterations / 128 + 1);

-- name: points_prune
-- Removes all but the last points.
-- ?1 how many stay
DELETE FROM point WHERE seq <= (SELECT max(seq) FROM point) - ?1;

-- name: points_drop
-- Removes the oldest points, for room.
-- ?1 how many
DELETE FROM point WHERE seq IN (SELECT seq FROM point ORDER BY seq LIMIT ?1);

-- name: points_leave_pulled
-- Removes points of the items that remove_pulled is to remove. It removes those that have none left.
-- ?1 clock until which they were pulled, ?2 most items, ?3 most points
DELETE FROM point WHERE seq IN (
    SELECT point.seq
    FROM (SELECT seq FROM item WHERE state = 3 AND closed <= ?1 ORDER BY closed LIMIT ?2) AS gone
    CROSS JOIN point ON point.item = gone.seq LIMIT ?3);

-- name: points_leave_cancelled
-- The same for remove_cancelled.
-- ?1 clock until which they were cancelled, ?2 most items, ?3 most points
DELETE FROM point WHERE seq IN (
    SELECT point.seq
    FROM (SELECT seq FROM item WHERE state = 4 AND closed <= ?1 ORDER BY closed LIMIT ?2) AS gone
    CROSS JOIN point ON point.item = gone.seq LIMIT ?3);
