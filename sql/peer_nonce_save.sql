-- A peer is told what its next hello must name.
-- ?1 NODE, ?2 the nonce
INSERT INTO peer (node, listened) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET listened = ?2;
