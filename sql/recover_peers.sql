-- The same of what is kept for peers; behind recover_tally.sql.
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
