-- What operators do.

-- name: audit_add
-- Saves what an operator has done.
-- ?1 wall time, ?2 who, ?3 what, ?4 about what, ?5 how many items
INSERT INTO audit (wall, who, what, about, items) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: audit_prune
-- Removes all but the last rows.
-- ?1 how many stay
DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - ?1;
