-- Pulled and cancelled items that have been kept long enough.

-- name: next_pulled
-- When the oldest pulled item was pulled; NULL when there is none.
SELECT min(closed) FROM item WHERE state = 3;

-- name: next_cancelled
-- When the oldest cancelled item was cancelled; NULL when there is none.
SELECT min(closed) FROM item WHERE state = 4;

-- name: remove_pulled
-- Removes items that were pulled long ago, the first ones first. Those that have points stay.
-- ?1 clock until which they were pulled, ?2 most
DELETE FROM item
WHERE seq IN (SELECT seq FROM item WHERE state = 3 AND closed <= ?1 ORDER BY closed LIMIT ?2)
    AND NOT EXISTS (SELECT 1 FROM point WHERE point.item = item.seq)
RETURNING client;

-- name: remove_cancelled
-- Removes items that were cancelled long ago, the first ones first. Those that have points stay.
-- ?1 clock until which they were cancelled, ?2 most
DELETE FROM item
WHERE seq IN (SELECT seq FROM item WHERE state = 4 AND closed <= ?1 ORDER BY closed LIMIT ?2)
    AND NOT EXISTS (SELECT 1 FROM point WHERE point.item = item.seq)
RETURNING client;
