-- Marks the items that pull_latest has shown as handed out.
-- ?1 pull or NULL, ?2 clock, ?3 how many, ?4 change or 0
UPDATE item SET state = 3, pull = ?1, closed = ?2, change = iif(?4 > 0, ?4, change)
WHERE seq IN (
    SELECT seq FROM item WHERE state = 2 AND home IS NULL AND done_at >= 0
    ORDER BY done_at DESC, seq DESC LIMIT ?3);
