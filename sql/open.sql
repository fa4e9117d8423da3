-- How the writer's connection is set up, before anything else. FULL makes each commit one fsync of
-- the WAL, done before the commit can be seen; checkpoints are the writer's own business.
PRAGMA busy_timeout = 5000; -- first: after a kill, another process may just be reading the WAL anew
PRAGMA page_size = 4096;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -16384;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
