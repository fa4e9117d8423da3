-- Saves what is known of a peer; part of each batch that changes it.
-- ?1 node, ?2 heard, ?3 told, ?4 kept waiting, ?5 kept leased, ?6 kept done, ?7 kept remaining
INSERT INTO peer (node, heard, told, kept_waiting, kept_leased, kept_done, kept_remaining)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (node) DO UPDATE
SET heard = ?2, told = ?3, kept_waiting = ?4, kept_leased = ?5, kept_done = ?6, kept_remaining = ?7;
