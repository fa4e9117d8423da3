-- A loan is over.
-- ?1 id
DELETE FROM loan WHERE id = ?1;
