-- Machines that are gone leave when a thousand came after them.
DELETE FROM machine WHERE state = 3 AND seq <= (SELECT max(seq) FROM machine) - 1000;
