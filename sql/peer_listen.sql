-- A peer's hello counts.
-- ?1 NODE, ?2 its clock
INSERT INTO peer (node, listened) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET listened = ?2;
