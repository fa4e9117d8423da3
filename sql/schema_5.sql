-- Schema version 5: a database that was restored from a backup lacks what happened since. Its peers know some of
-- that and are asked for it.
ALTER TABLE peer ADD COLUMN restored INTEGER NOT NULL DEFAULT 0; -- 1: it is still to be asked for all that it has
