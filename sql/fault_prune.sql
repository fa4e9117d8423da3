-- Old faults leave.
DELETE FROM fault WHERE seq <= (SELECT max(seq) FROM fault) - 1000;
