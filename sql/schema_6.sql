-- Schema version 6: a peer's hello counts when it says what the last one that counted was answered.
ALTER TABLE peer RENAME COLUMN listened TO nonce; -- that; -1: none has counted yet
