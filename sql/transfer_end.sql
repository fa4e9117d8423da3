-- A transfer was answered.
-- ?1 id
DELETE FROM transfer WHERE id = ?1;
