# PUT /enqueue: what is taken, what is refused, and that a refusal stores nothing.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Hashmill;

my $mill = Hashmill->start(NODE => 171);

sub item_count ($mill) {
    my $items = $mill->stats->{items};
    my $count = 0;
    $count += $_ for values %$items;
    return $count;
}

subtest 'an item is taken' => sub {
    my $reply = $mill->enqueue('abc', 5);
    is $reply->status, 201, 'created';
    like $reply->header('content-type'), qr{^application/json}, 'as JSON';
    my $item = $reply->json;
    is_deeply [sort keys %$item], [qw(digest id)], 'id and digest, nothing else';
    is $item->{digest}, sha512_hex('abc'), 'the digest of the body proves what arrived';
    is $reply->header('location'), "/items/$item->{id}", 'Location';
    is $mill->state_of($item->{id}), 'waiting', 'it waits for a worker';
};

subtest 'the id is a UUIDv7 with the node number' => sub {
    my $id = $mill->new_item('id', 1);
    like $id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'its form';
    (my $hex = $id) =~ tr/-//d;
    # 48 bits of milliseconds; the upper 32 are units of 65.5 s.
    cmp_ok abs(hex(substr $hex, 0, 8) * 65.536 - time), '<', 140, 'begins with the time';
    my ($upper, $lower) = (hex(substr $hex, 16, 2), hex(substr $hex, 18, 2));
    is(($upper & 0x3f) << 2 | $lower >> 6, 171, 'carries the node');
};

subtest 'one iteration needs no worker' => sub {
    my $id = $mill->new_item('abc', 1);
    my $item = $mill->item($id)->json;
    is $item->{state}, 'done', 'done at once';
    is $item->{value}, sha512_hex('abc'), 'with its value';
};

subtest 'Accept: text/plain' => sub {
    my $reply = $mill->enqueue('abc', 1, Accept => 'text/plain');
    is $reply->status, 201, 'created';
    like $reply->header('content-type'), qr{^text/plain}, 'as text';
    like $reply->content, qr/\A[0-9a-f-]{36}\n\z/, 'the bare id';
};

subtest 'iterations' => sub {
    my $before = item_count($mill);
    my %query = (
        'missing' => '', 'zero' => 'iterations=0', 'negative' => 'iterations=-1',
        'exponent' => 'iterations=1e3',
        'plus' => 'iterations=%2B1', 'leading zero' => 'iterations=01', 'fraction' => 'iterations=1.0',
        'hexadecimal' => 'iterations=0x10', 'empty' => 'iterations=', 'no value' => 'iterations',
        'trailing junk' => 'iterations=5x', 'leading blank' => 'iterations=%205',
        'trailing blank' => 'iterations=5%20', 'a NUL' => 'iterations=5%00',
        '2^53' => 'iterations=9007199254740992', '2^63' => 'iterations=9223372036854775808',
        '2^64 + 1' => 'iterations=18446744073709551617', 'many digits' => 'iterations=' . '9' x 1000,
        'repeated' => 'iterations=5&iterations=5', 'other digits' => 'iterations=%D9%A3',
        'unknown parameter' => 'iterations=5&iteration=6', 'broken escape' => 'iterations=5%2',
        'capitals' => 'Iterations=5',
    );
    for my $name (sort keys %query) {
        is_problem($mill->call('PUT', "/enqueue?$query{$name}", content => 'x'), 400, $name);
    }
    is_problem($mill->call('PUT', '/enqueue', content => 'x'), 400, 'no query at all');
    is item_count($mill), $before, 'nothing was stored';
    like $mill->enqueue('x', 0)->json->{detail}, qr/9007199254740991/, 'the detail names the range';

    is $mill->enqueue('x', 10**13)->status, 201, '10^13 is taken';
    my $problem = is_problem($mill->enqueue('x', 10**13 + 1), 400, 'one more is the client\'s mistake');
    like $problem->{detail}, qr/at most 10000000000000 here.*ITERATIONS_MAX/, 'the detail names the limit and the setting';
    is item_count($mill), $before + 1, 'which stored nothing';
    is $mill->call('PUT', '/enqueue?iter%61tions=%35', content => 'x')->status, 201, 'escapes are decoded';
};

subtest 'the most iterations that can be set' => sub {
    my $long = Hashmill->start(ITERATIONS_MAX => 9007199254740991);
    my $reply = $long->enqueue('x', '9007199254740991');
    is $reply->status, 201, '2^53 - 1 is taken';
    is $long->item($reply->json->{id})->json->{remaining}, 9007199254740990, 'and kept exactly';
    ok $long->reload(ITERATIONS_MAX => 5), 'a lower limit';
    is_problem($long->enqueue('x', 6), 400, 'counts from the next request on');
    is $long->item($reply->json->{id})->json->{remaining}, 9007199254740990, 'and changes no item that is there';
    $long->close_instance;
};

subtest 'sizes' => sub {
    my $before = item_count($mill);
    is_problem($mill->enqueue('', 5), 400, 'an empty body');
    is_problem($mill->enqueue('x' x 262_145, 5), 413, '262,145 bytes');
    is item_count($mill), $before, 'nothing was stored';
    for my $size (1, 2, 111, 112, 128, 16_383, 16_384, 65_535, 65_536, 262_143, 262_144) {
        my $body = random_body($size);
        my $reply = $mill->enqueue($body, 1);
        is $reply->status, 201, "$size bytes";
        is $reply->json->{digest}, sha512_hex($body), 'hashed whole';
    }
    my @pieces = ('piece') x 1000;
    my $reply = $mill->call('PUT', '/enqueue?iterations=1', content => sub { shift @pieces });
    is $reply->json->{digest}, sha512_hex('piece' x 1000), 'a chunked body';
};

subtest 'a full queue' => sub {
    my $small = Hashmill->start(ITEMS_MAX => 3, BODY_BYTES_MAX => 100);
    my @ids = map { $small->new_item("full $_", 5) } 1 .. 3;
    is_problem($small->enqueue('one more', 5), 503, 'the fourth of three');
    is item_count($small), 3, 'is not stored';
    $small->call('DELETE', "/items/$ids[0]");
    is $small->enqueue('again', 5)->status, 201, 'a cancelled item makes room';
    is_problem($small->enqueue('and no more', 5), 503, 'for one');
    $small->work_all;
    $small->pull(1);
    is $small->enqueue('once more', 5)->status, 201, 'so does a pulled one';
    is_problem($small->enqueue('x' x 101, 5), 413, 'a body over a lower BODY_BYTES_MAX');
};

finish();
