-- How many workers were heard from since a moment and have not retired.
-- ?1 clock
SELECT count(*) FROM worker WHERE last_seen >= ?1 AND retired_wall IS NULL;
