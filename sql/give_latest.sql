-- Gives done items away, latest completed first. With copies they stay as kept for the other node,
-- else they are closed.
-- ?1 node, ?2 transfer, ?3 how many, ?4 copies, ?5 clock, ?6 change or 0
UPDATE item SET home = ?1, moves = moves + 1, transfer = ?2, state = iif(?4, 2, 3),
    closed = iif(?4, NULL, ?5), handed = iif(?4, NULL, 1), change = iif(?6 > 0, ?6, change)
WHERE seq IN (
    SELECT seq FROM item WHERE state = 2 AND home IS NULL AND done_at >= 0
    ORDER BY done_at DESC, seq DESC LIMIT ?3);
