#!/usr/bin/perl
# What statements of PostgreSQL do that no test in C runs: clients, keys of pulls, partitions of what has ended.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Postgres qw(start_postgres psql statements statement session);

plan skip_all => 'no server of PostgreSQL on this machine' if !start_postgres();
my %statements = statements();

# Runs statements in one session, each given as SQL of EXECUTE; what they print, a line each.
sub run (@executions) {
    my $sql = session();
    my %seen;
    $sql .= statement($_, @{ $statements{$_} }) for grep { !$seen{$_}++ } map { /^(\w+)/ } @executions;
    chomp(my $said = psql($sql . join '', map { "EXECUTE $_;\n" } @executions));
    return $said;
}

subtest 'clients' => sub {
    run(q{clients_new('{"",alice}')}, q{clients_new('{alice,bob}')});
    my %seq = split /[|\n]/, psql('SELECT name, seq FROM client;');
    is(keys %seq, 3, 'each name is added once');
    is(run(q{clients_read('{bob,nobody,alice}')}), "1|$seq{bob}\n3|$seq{alice}", 'their numbers, by place');
    my $save = 'clients_save(7, %s, %s, %s, %s, %s, %s, %s, %s, %s, 5)';
    run(sprintf $save, map { "'{$_}'" } '1,2', '10,20', '11,21', '12,22', '13,23', '14,24', '15,25', '16,26', '17,27');
    run(sprintf $save, map { "'{$_}'" } '2', ('30') x 8);
    is(psql('SELECT * FROM client_node ORDER BY client;'),
        "1|7|10|11|12|13|14|15|16|17|5\n2|7|30|30|30|30|30|30|30|30|5\n", 'what they have is added and changed');
};

subtest 'keys of pulls' => sub {
    my ($one, $same, $two) = ('\x' . '01' x 16 . '000100', '\x' . '01' x 16 . '000200', '\x' . '02' x 19);
    is(run("pull_keys_claim(ARRAY['$one', '$two']::bytea[], 5)"), "$one\n$two", 'both are claimed');
    is(run("pull_keys_claim(ARRAY['$same']::bytea[], 6)"), '', 'not again with another top');
    is(run("pull_keys_read(ARRAY['$two', '$same']::bytea[])"), "1|$two\n2|$one", 'who asks learns the first');
    run("pull_keys_drop(ARRAY['$one']::bytea[])");
    is(run("pull_keys_claim(ARRAY['$same']::bytea[], 7)"), $same, 'one that was taken back is free');
};

# How many items are in each partition.
sub partitions {
    return psql('SELECT tableoid::regclass, count(*) FROM ended GROUP BY tableoid ORDER BY tableoid::regclass::text;');
}

sub add_ended (@closed) {
    psql("INSERT INTO ended (id, closed, iterations, remaining, enqueued_wall, client, state, strikes, digest, chain) "
        . "SELECT gen_random_uuid(), n, 1, 0, 0, 1, 3, 0, decode(repeat('00', 64), 'hex'), decode(repeat('00', 64), 'hex') "
        . "FROM unnest('{" . join(',', @closed) . "}'::int8[]) AS n;\n");
    return;
}

subtest 'partitions' => sub {
    is(run('partitions_ahead(250, 100, 3)'), 3, 'three are made from the present one on');
    is(run('partitions_ahead(250, 100, 4)'), 1, 'then one more');
    add_ended(199, 200, 299, 300, 599, 600);
    is(partitions(), "ended_200|2\nended_300|1\nended_500|1\nended_rest|2\n", 'items go to that of their time, or to the rest');
    is(run('partitions_ahead(600, 100, 2)'), 1, 'none is made for items of the rest');
    is(run('partitions_drop(400, 10)'), 2, 'those that ended are dropped');
    is(partitions(), "ended_500|1\nended_rest|2\n", 'with what is in them, the rest not');
    is(run('partitions_drop(99999, 1)'), 1, 'no more than asked for');
    is(psql("SELECT reloptions FROM pg_class WHERE relname = 'ended_700';"), "{vacuum_truncate=off}\n", 'no partition is truncated');
    like(psql(q{SET enable_seqscan = off; EXPLAIN SELECT FROM ended WHERE id = gen_random_uuid();}), qr/ended_700_id_idx/, 'each has the indexes');
};

subtest 'leases' => sub {
    is(run('leases_first'), '', 'no lease is due');
    run(q{leases_add('{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', '{9,8}', '{1,2}', '{1,2}',
        '{00000000-0000-0000-0000-00000000000a,00000000-0000-0000-0000-00000000000b,00000000-0000-0000-0000-00000000000c}')});
    is(run('leases_first'), 8, 'the first one');
    is(psql('SELECT cardinality(items) FROM lease ORDER BY due;'), "2\n1\n", 'each lists its own items');
};

subtest 'digests' => sub {
    for my $bytes (63, 64, 65) {
        psql(<<"SQL");
DO \$\$ BEGIN
    INSERT INTO done (id, iterations, done_at, done_wall, enqueued_wall, client, strikes, digest, chain)
    VALUES (gen_random_uuid(), 1, 1, 1, 1, 1, 0, decode(repeat('00', 64), 'hex'), decode(repeat('00', $bytes), 'hex'));
EXCEPTION WHEN check_violation THEN NULL;
END \$\$;
SQL
    }
    is(psql('SELECT octet_length(chain) FROM done;'), "64\n", 'a value has 64 bytes');
};

done_testing();
