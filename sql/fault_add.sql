-- Keeps two chains that cannot both be right.
-- ?1 id, ?2 remaining, ?3 ours, ?4 theirs, ?5 node, ?6 wall time
INSERT INTO fault (id, remaining, ours, theirs, node, wall) VALUES (?1, ?2, ?3, ?4, ?5, ?6);
