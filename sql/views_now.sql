-- The views as they are in the file.
SELECT sql FROM sqlite_schema WHERE type = 'view';
