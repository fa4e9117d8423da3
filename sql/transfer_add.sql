-- Saves that a transfer is asked for.
-- ?1 id, ?2 node, ?3 top, ?4 oldest
INSERT OR IGNORE INTO transfer (id, node, top, oldest) VALUES (?1, ?2, ?3, ?4);
