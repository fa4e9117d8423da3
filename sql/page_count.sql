-- The database's size in pages, with the batch under way.
PRAGMA page_count;
