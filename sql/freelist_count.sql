-- How many of its pages hold nothing.
PRAGMA freelist_count;
