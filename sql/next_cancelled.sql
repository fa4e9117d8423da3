-- When the first of the cancelled items was cancelled; NULL when there is none.
SELECT min(closed) FROM item WHERE state = 4;
