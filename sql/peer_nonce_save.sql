-- A peer's hello counts.
-- ?1 NODE, ?2 what the next one must say
INSERT INTO peer (node, nonce) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET nonce = ?2;
