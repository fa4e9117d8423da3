-- Removes items that were cancelled long ago, the first ones first. Those that the peer has not been told
-- of stay, and with them what comes behind: no more rows are read than may be removed.
-- ?1 clock until which they were cancelled, ?2 most, ?3 the last change that was told
DELETE FROM item
WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, change FROM item WHERE state = 4 AND closed <= ?1 ORDER BY closed LIMIT ?2)
    WHERE change IS NULL OR change <= ?3);
