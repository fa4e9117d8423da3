-- Whether a machine was saved before.
-- ?1 name
SELECT count(*) FROM machine WHERE name = ?1;
