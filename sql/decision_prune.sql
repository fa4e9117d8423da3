-- Old decisions leave.
DELETE FROM decision WHERE seq <= (SELECT max(seq) FROM decision) - 1000;
