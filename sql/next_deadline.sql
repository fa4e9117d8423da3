-- When the next lease lapses; NULL when there is none.
SELECT min(deadline) FROM item WHERE state = 1;
