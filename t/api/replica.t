# The replica of a peer's database: pages and batches that the test sends, what is told of it, and the way
# back.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha256);
use Test::More;
use Hashmill;

my $token = 'p' x 32;
my $page  = 4096;
my $mill  = Hashmill->start(NODE => 0, PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => $token);
my $id    = '70707070-7070-7070-7070-707070707070';
my $copy  = '63636363-6363-6363-6363-636363636363';
my %source = (node => 1, database => $id, epoch => 7, schema => 11);
my $database = "$mill->{dir}/primary.db";
my $check = "\0" x 32;

sub query (%fields) { return join '&', map { "$_=$fields{$_}" } sort keys %fields }

# A call whose parameters are in its query, with a body of bytes.
sub send_bytes ($name, $bytes, %fields) {
    return $mill->worker_call("/peer/replica/$name?" . query(%fields), $bytes,
        Authorization => "Bearer $token", 'Content-Type' => 'application/octet-stream');
}

sub send_json ($name, %fields) {
    return $mill->worker_call("/peer/replica/$name", { protocol => 2, node => 1, %fields },
        Authorization => "Bearer $token");
}

sub replica { return send_json('state')->json->{replica} }

# Makes the peer's database, with an item.
sub make_primary {
    open my $shell, '|-', 'sqlite3', $database or die "sqlite3: $!";
    print {$shell} slurp("sql/schema_$_.sql") for 1 .. 11;
    print {$shell} "PRAGMA user_version = 11; UPDATE identity SET node = 1, epoch = 7, id = x'", '70' x 16, "';\n",
        'INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, enqueued_wall)',
        " VALUES (x'", '11' x 16, "', zeroblob(64), zeroblob(64), 9, 5, 0, 5, 5, 1);\n";
    close $shell or die 'no database';
    return slurp($database);
}

# The record of the next batch: tally.batch becomes this number. The patchset is as SQLite has it: table,
# columns, which of them are the key; UPDATE; the key's value, new values, and 0 for what stays.
sub record ($number, $before = $check) {
    my $columns = 15;
    my $int = sub ($value) { return pack 'C q>', 1, $value };
    my $changes = 'P' . pack('C', $columns) . "\1" . "\0" x ($columns - 1) . "tally\0" . pack('CC', 23, 0)
        . $int->(1) . "\0" x 7 . $int->($number) . "\0" . $int->(1_700_000_000_000 + $number) . "\0" x 4;
    $check = sha256($before . pack('q>', $number) . $changes);
    return 'HMB1' . pack('V q<', length $changes, $number) . $check . $changes;
}

# Sends the whole file in parts of some pages.
sub send_copy ($file, %more) {
    my $reply;
    my $pages = length($file) / $page;
    for (my $first = 0; $first < $pages; $first += 16) {
        my $last = $first + 16 >= $pages ? 1 : 0;
        my @part = grep { $_ < $pages } $first .. $first + 15;
        $reply = send_bytes('pages', join('', map { pack('q<', $_ * $page) . substr $file, $_ * $page, $page } @part),
            %source, copy => $copy, part => $first / 16, bytes => length $file, last => $last, %more);
        last if ($reply->json->{result} // '') ne 'ok';
    }
    return $reply;
}

subtest 'none' => sub {
    is(replica(), undef, 'there is no replica');
    is_deeply(send_bytes('batches', '', %source)->json, { node => 0, result => 'none', batch => 0 }, 'no batch fits');
    is_problem(send_json('take', database => $id, epoch => 8), 404, 'not-found');
    is_problem(send_bytes('read', '', node => 1, epoch => 7, at => 0, length => 10), 404, 'not-found');
};

my $file = make_primary();

# The database with something more in its schema.
sub with_schema ($sql) {
    my $path = "$mill->{dir}/strange.db";
    spew($path, $file);
    system('sqlite3', $path, $sql) == 0 or die 'no schema';
    return slurp($path);
}

subtest 'what is no copy of a node\'s database' => sub {
    my @strange = (
        ['a trigger', 'CREATE TRIGGER more AFTER UPDATE ON tally BEGIN DELETE FROM item; END'],
        ['a view in place of a table', 'ALTER TABLE item RENAME TO hidden; CREATE VIEW item AS SELECT * FROM hidden'],
        ['a virtual table', 'CREATE VIRTUAL TABLE more USING fts5(text)'],
        ['a table more', 'CREATE TABLE more (number INTEGER)'],
        ['a column more', 'ALTER TABLE item ADD COLUMN more INTEGER'],
        ['an index on an expression', 'CREATE INDEX more ON item (abs(rank))'],
        ['an index less', 'DROP INDEX item_rank'],
    );
    is send_copy(with_schema($_->[1]))->json->{result}, 'bad', $_->[0] for @strange;
    is(replica(), undef, 'none of them is taken');
    $mill->expect_log(qr/is not the database that it was to be/) for @strange;
};

subtest 'a copy' => sub {
    is_deeply(send_copy($file)->json, { node => 0, result => 'ok', batch => 0 }, 'is taken');
    my $replica = replica();
    is_deeply($replica, { id => $id, epoch => 7, schema => 11, batch => 0, check => '00' x 32, as_of => 0,
        complete => JSON::PP::false, bad => JSON::PP::false, bytes => length $file }, 'and told of');
    is(send_json('state')->json->{known}, undef, 'nothing is known besides');
};

subtest 'batches' => sub {
    my $both = record(1) . record(2);
    is_deeply(send_bytes('batches', $both, %source, complete => 1)->json,
        { node => 0, result => 'ok', batch => 2 }, 'two');
    my $replica = replica();
    is($replica->{check}, unpack('H*', $check), 'the check');
    is($replica->{as_of}, 1_700_000_000_002, 'when the last one was');
    ok($replica->{complete}, 'complete');
    is(send_bytes('batches', '', %source, schema => 12, complete => 1)->json->{result}, 'other', 'another schema');
    ok(!replica()->{complete}, 'then it is not complete');
    send_bytes('batches', '', %source, complete => 1);
    ok(replica()->{complete}, 'until that is said');
    send_bytes('pages', '', %source, copy => $copy, part => 0, bytes => $page, last => 0, complete => 1);
    ok(!replica()->{complete}, 'a copy is under way: it is not');
    send_bytes('batches', '', %source, complete => 1);
    my $before = $check;
    my $third  = record(3);
    my $fourth = record(4);
    is_deeply(send_bytes('batches', $fourth, %source)->json, { node => 0, result => 'gap', batch => 2 }, 'a gap');
    is_deeply(send_bytes('batches', $both . $third . $fourth, %source)->json,
        { node => 0, result => 'ok', batch => 4 }, 'all of them');
    is_problem(send_bytes('batches', substr($fourth, 0, -1), %source), 400, 'bad-body');
    is_deeply(send_bytes('batches', record(5, $before), %source)->json,
        { node => 0, result => 'bad', batch => 4 }, 'another history');
    ok(replica()->{bad}, 'nothing fits to that');
    $mill->stop_server;
    $mill->start_server;
    ok(replica()->{bad}, 'nor after another start');
    is(send_bytes('batches', '', %source)->json->{result}, 'bad', 'as is said');
    is(send_copy($file)->json->{result}, 'ok', 'until it is copied');
    $check = "\0" x 32;
    is(send_bytes('batches', record(1), %source)->json->{result}, 'ok', 'then they fit');
};

subtest 'who may not' => sub {
    is_problem(send_bytes('batches', '', %source, epoch => 6), 409, 'superseded');
    is_problem(send_bytes('batches', '', %source, database => $copy), 409, 'superseded');
    is_problem(send_copy($file, epoch => 6), 409, 'superseded');
    is_problem(send_json('state', database => $id, epoch => 6), 409, 'superseded');
    is_problem(send_bytes('batches', '', %source, node => 2), 403, 'forbidden');
    is(send_bytes('batches', '', %source, schema => 12)->json->{result}, 'other', 'another schema');
    is(send_bytes('batches', '', %source, epoch => 8)->json->{result}, 'other', 'a higher epoch');
    is_problem($mill->worker_call('/peer/replica/state', { protocol => 2, node => 1 }), 403, 'forbidden');
    for my $name (sort keys %source) {
        my %lacking = %source;
        delete $lacking{$name};
        is_problem(send_bytes('batches', '', %lacking), 400, 'bad-parameter');
    }
    is_problem(send_bytes('batches', '', %source, database => 'x'), 400, 'bad-parameter');
    for my $epoch ('9223372036854775807', '9007199254740992') { # nothing may overflow
        is_problem(send_bytes('batches', '', %source, epoch => $epoch), 400, 'bad-parameter');
        is_problem(send_json('take', database => $id, epoch => 0 + $epoch), 400, 'bad-body');
        is_problem(send_json('state', database => $id, epoch => 0 + $epoch), 400, 'bad-body');
        is_problem($mill->worker_call('/peer/hello', { protocol => 2, node => 1, database => $id, epoch => 0 + $epoch,
            nonce => 0, loans => [] }, Authorization => "Bearer $token"), 400, 'bad-body');
    }
    is_problem(send_bytes('pages', '', %source, copy => $copy, part => 0, bytes => $_, last => 0), 400, 'bad-parameter')
        for '9223372036854771712', (1 << 50) + $page;
    is(send_bytes('pages', pack('q<', 1 << 50) . 'x' x $page, %source, copy => $copy, part => 0, bytes => $page, last => 0)
        ->json->{result}, 'bad', 'a page behind all files');
    is_problem(send_bytes('pages', 'x', %source, copy => $copy, part => 0, bytes => $page, last => 0), 400, 'bad-body');
    is_problem(send_bytes('batches', 'x' x (16 * 1024 * 1024 + 1), %source), 413, 'too-large');
    is_problem($mill->call('POST', '/peer/replica/state'), 404, 'not-found');
};

subtest 'the way back' => sub {
    is(send_bytes('batches', '', %source)->json->{result}, 'ok', 'the server is there');
    is_problem(send_json('take', database => $id, epoch => 8), 409, 'peer-alive');
    $mill->move_clock(steady_ms => 3100);
    is_problem(send_json('take', database => $id, epoch => 7), 409, 'superseded');
    is_problem(send_json('take', database => $copy, epoch => 9), 409, 'superseded');
    is_problem(send_json('take', database => $id), 400, 'bad-body');
    my $now = 3100;
    my $take = sub ($later) {
        $mill->move_clock(steady_ms => $now += $later);
        return send_json('take', database => $id, epoch => 8);
    };
    is_problem($take->(0), 409, 'peer-alive'); # this node may have been paused
    is_problem($take->($_), 409, 'peer-alive') for 1000, 1000, 4000, 1000, 1000; # and again
    is(send_bytes('batches', '', %source)->json->{result}, 'ok', 'the server is there once more');
    is_problem($take->($_), 409, 'peer-alive') for 1000, 1000; # it was away all the time, but for that
    my $taken = $take->(1000)->json;
    is_deeply($taken, { node => 0, epoch => 8, bytes => length $file, batch => 1 }, 'it is taken');
    my $back = '';
    while (length $back < $taken->{bytes}) {
        my $reply = send_bytes('read', '', node => 1, epoch => 8, at => length $back, length => 1 << 20);
        last if $reply->status != 200 || $reply->content eq '';
        $back .= $reply->content;
    }
    is(length $back, $taken->{bytes}, 'all of it is read');
    is(send_bytes('read', '', node => 1, epoch => 8, at => length $back, length => 1)->content, '', 'nothing behind it');
    spew("$mill->{dir}/back.db", $back);
    my $said = `sqlite3 -readonly $mill->{dir}/back.db "PRAGMA integrity_check; SELECT epoch FROM identity;
        SELECT batch FROM tally; SELECT count(*) FROM item"`;
    is($said, "ok\n8\n1\n1\n", 'a database, of the new epoch');
    is_problem(send_bytes('read', '', node => 1, epoch => 7, at => 0, length => 10), 404, 'not-found');
    is_problem(send_bytes('read', '', node => 1, epoch => 8, at => 0, length => (1 << 20) + 1), 400, 'bad-parameter');
    is_problem(send_bytes('batches', record(2), %source), 409, 'superseded');
};

subtest 'another start' => sub {
    my $before = replica();
    is(send_json('state')->json->{known}{epoch}, 8, 'the new epoch is known, and no other that was tried');
    $mill->stop_server;
    $mill->start_server;
    my $replica = replica();
    is_deeply($replica, $before, 'it is as it was');
    is_problem(send_bytes('read', '', node => 1, epoch => 8, at => 0, length => 10), 404, 'not-found'); # it is to be taken again
    is_problem(send_json('take', database => $id, epoch => 9), 409, 'peer-alive');
    send_bytes('batches', '', %source, epoch => 8, complete => 1);
    ok(replica()->{complete}, 'it is complete');
    my $hello = $mill->worker_call('/peer/hello', { protocol => 2, node => 1, database => $id, epoch => 9, nonce => 0, loans => [] },
        Authorization => "Bearer $token");
    is($hello->status, 200, 'its node serves the database under another epoch');
    ok(!replica()->{complete}, 'so the replica is not complete');
};

$mill->expect_log(qr/batch 5 of node 1 does not fit/);
$mill->finish;
