-- Points: links of items that take more than one report.

-- name: points_leave_pulled
-- Removes the points of the items that remove_pulled is to remove.
-- ?1 clock until which they were pulled, ?2 most
DELETE FROM point
WHERE item IN (SELECT seq FROM item WHERE state = 3 AND closed <= ?1 ORDER BY closed LIMIT ?2);

-- name: points_leave_cancelled
-- The same for remove_cancelled.
-- ?1 clock until which they were cancelled, ?2 most
DELETE FROM point
WHERE item IN (SELECT seq FROM item WHERE state = 4 AND closed <= ?1 ORDER BY closed LIMIT ?2);
