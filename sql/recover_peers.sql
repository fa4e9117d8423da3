-- The same of what is kept for peers; behind recover_tally.sql.
INSERT INTO peer (node, kept_waiting, kept_leased, kept_done, kept_remaining)
SELECT node, sum(state = 0), sum(state = 1), sum(state = 2), sum(iif(state < 2, remaining, 0))
FROM (SELECT node, NULL AS state, NULL AS remaining FROM peer
    UNION ALL SELECT home, state, remaining FROM item WHERE home NOTNULL AND state < 3)
WHERE true
GROUP BY node
ON CONFLICT (node) DO UPDATE
SET kept_waiting = coalesce(excluded.kept_waiting, 0), kept_leased = coalesce(excluded.kept_leased, 0),
    kept_done = coalesce(excluded.kept_done, 0), kept_remaining = coalesce(excluded.kept_remaining, 0),
    told = min(told, (SELECT change FROM tally));
