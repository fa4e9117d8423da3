-- A peer has told all that it has since this database was restored.
-- ?1 NODE
UPDATE peer SET restored = 0 WHERE node = ?1;
