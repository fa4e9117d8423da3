-- How many faults there were ever; their seq counts on.
SELECT max(seq) FROM fault;
