-- When the first of the pulled items was pulled; NULL when there is none.
SELECT min(closed) FROM item WHERE state = 3;
