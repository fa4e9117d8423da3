-- The workers that were heard from since a moment, the last one first.
-- ?1 clock, ?2 most
SELECT seq, name, machine, address, kernel, cores, rate, first_seen_wall, last_seen_wall, last_seen,
    retired_wall IS NOT NULL
FROM worker WHERE last_seen >= ?1 ORDER BY last_seen DESC LIMIT ?2;
