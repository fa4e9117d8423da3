-- Makes items of a peer that is lost this node's own, some at a time. They have waited since they could
-- be leased here.
-- ?1 node, ?2 most, ?3 change or 0, ?4 clock since when it is away
UPDATE item SET home = NULL, moves = moves + 1, since = max(since, ?4),
    change = iif(?3 > 0, ?3, change)
WHERE seq IN (SELECT seq FROM item WHERE home = ?1 AND state <= 2 LIMIT ?2)
RETURNING state, remaining;
