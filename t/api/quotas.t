# Quotas of a client's key: what is beyond them is answered 429, and the fields RateLimit and RateLimit-Policy.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client few items=2', 'client little work=1000', 'client slow rate=1/3',
    'client short iterations_max=100', 'client free', 'client all items=5 work=5000 rate=2/4', 'client both items=5 iterations_max=10', 'operator olga', 'operator otto items=1');
my $lines = slurp("$dir/keys");
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga});

sub put ($name, $iterations, %headers) {
    return $mill->enqueue(uuid(), $iterations, Authorization => "Bearer $key{$name}", %headers);
}

sub pull ($name, $top) { return $mill->pull($top, headers => { Authorization => "Bearer $key{$name}" }) }

sub is_over ($reply, $quota, $name) {
    is_problem($reply, 429, $name);
    is $reply->json->{type}, "urn:hashmill:problem:quota-$quota", 'which names the quota';
    like $reply->header('retry-after'), qr/^[1-9]\d*$/, 'and says when';
    return;
}

subtest 'items=' => sub {
    my ($first, $second) = map { put('few', 1)->json->{id} } 1, 2;
    is_over(put('few', 1), 'items', 'a third one');
    is put('free', 1)->status, 201, 'another client is not in its way';
    is scalar pull('few', 1)->json->@*, 1, 'a pull makes room';
    my $id = put('few', 1000)->json->{id};
    is_over(put('few', 1), 'items', 'for one');
    is $mill->call('DELETE', "/items/$id", headers => { Authorization => "Bearer $key{few}" })->status, 204, 'so does a cancellation';
    is put('few', 1, 'Idempotency-Key' => 'again')->status, 201, 'with a key';
    is put('few', 1)->status, 429, 'and no other';
};

subtest 'a repetition' => sub {
    my %again = ('Idempotency-Key' => 'the-same', Authorization => "Bearer $key{few}");
    pull('few', 2);
    ok my $id = $mill->enqueue('body', 1, %again)->json->{id}, 'an item with a key';
    put('few', 1);
    is put('few', 1)->status, 429, 'with the quota used up';
    is $mill->enqueue('body', 1, %again)->json->{id}, $id, 'is answered all the same';
};

subtest 'work=' => sub {
    my $never = put('little', 1002);
    is_over($never, 'iterations', 'a first item that is too much');
    like $never->json->{detail}, qr/^An item with 1002 iterations is never taken .* at most 1000 .* use fewer/, 'says that waiting does not help';
    is put('little', 1001)->status, 201, 'as much as may be: the first link is done';
    my $later = put('little', 2);
    is_over($later, 'work', 'one more');
    like $later->json->{detail}, qr/at most 1000 .* wait until/, 'says to wait';
    is put('little', 1)->status, 201, 'but one without work';
};

subtest 'rate=' => sub {
    is put('slow', 1)->status, 201, 'at once' for 1 .. 3;
    is_over(put('slow', 1), 'rate', 'no more');
    $mill->move_clock(steady_ms => 1000);
    is put('slow', 1)->status, 201, 'after a second one';
    is put('slow', 1)->status, 429, 'and no other';
    $mill->move_clock(steady_ms => 100_000);
    is put('slow', 1)->status, 201, 'after long no more than at first' for 1 .. 3;
    is put('slow', 1)->status, 429, 'at once';
};

subtest 'iterations_max=' => sub {
    is put('short', 100)->status, 201, 'as many as may be';
    my $never = put('short', 101);
    is_over($never, 'iterations', 'one more');
    like $never->json->{detail}, qr/^An item with 101 iterations is never taken .* at most 100 .* use fewer/, 'and that waiting does not help';
};

subtest 'fields' => sub {
    my $reply = put('all', 1001);
    is $reply->header('ratelimit-policy'), '"items";q=5, "work";q=5000, "rate";q=4;w=2', 'the policy';
    is $reply->header('ratelimit'), '"items";r=4, "work";r=4000, "rate";r=3;t=1', 'what is left';
    $reply = put('all', 4002);
    is $reply->status, 429, 'beyond it';
    like $reply->header('ratelimit'), qr/^"items";r=4, "work";r=4000, /, 'the same';
    like pull('all', 1)->header('ratelimit'), qr/^"items";r=4, /, 'with a pull';
    is put('free', 1)->header('ratelimit-policy'), undef, 'none without quotas';
    my $stats = $mill->get('/stats', Authorization => "Bearer $key{all}")->json;
    is put('all', 'x')->header('ratelimit-policy'), undef, 'none for a request that is wrong';
    is_deeply $stats->{quota}, { items => 5, work => 5000, rate => 2, burst => 4, iterations_max => undef }, 'and in /stats';
};

subtest 'which replies have the fields' => sub {
    my $left = sub ($reply) { return join ' ', $reply->status, $reply->header('ratelimit') // 'none' };
    is $left->(put('both', 2, 'Idempotency-Key' => 'one')), '201 "items";r=4', 'an item';
    is $left->(put('both', 3, 'Idempotency-Key' => 'one')), '422 "items";r=4', 'a key of something else';
    is $left->(put('both', 11)), '429 none', 'not one that is refused before the writer is asked';
    is $mill->call('POST', '/admin/pause?what=intake')->status, 200, 'a pause';
    is $left->(put('both', 2)), '503 "items";r=4', 'while it lasts';
    $mill->call('POST', '/admin/resume?what=intake');
    my $parked = $mill->stats->{parked};
    my $pull = background(sub { return $left->($mill->pull(1, wait => 30, headers => { Authorization => "Bearer $key{both}" })) });
    ok $mill->wait_parked($parked + 1), 'a pull waits';
    $mill->reload;
    is_deeply [$pull->result], ['200 none'], 'not one that a reload ends';
    is $left->(pull('both', 1)), '200 "items";r=4', 'another one';
};

subtest 'an operator' => sub {
    my sub left_after ($client) {
        return $mill->pull(1, client => $client, headers => { Authorization => "Bearer $key{otto}" })->header('ratelimit');
    }
    is put('otto', 1)->header('ratelimit'), '"items";r=0', 'has quotas like a client';
    is_over(put('otto', 1), 'items', 'and no more');
    is left_after('few'), undef, 'is not told those of others';
    is left_after('otto'), '"items";r=1', 'but its own';
};

# What is left to "few", when its line has this attribute.
sub left_with ($attribute) {
    spew("$dir/keys", $lines =~ s/^(client few .*) items=2$/$1 $attribute/mr);
    ok $mill->reload, "a reload with $attribute";
    my $reply = put('few', 1);
    return join ' ', $reply->status, map { $reply->header($_) } qw(ratelimit-policy ratelimit);
}

subtest 'fewer iterations than before' => sub {
    my %known = ('Idempotency-Key' => 'long', Authorization => "Bearer $key{short}");
    my $id = $mill->enqueue('long', 90, %known)->json->{id};
    spew("$dir/keys", slurp("$dir/keys") =~ s/ iterations_max=100$/ iterations_max=50/mr);
    ok $mill->reload, 'a reload with a smaller iterations_max';
    is $mill->enqueue('long', 90, %known)->json->{id}, $id, 'a key that is known gets its id all the same';
    my $line = JSON::PP->new->encode({ digest => $mill->enqueue('long', 90, %known)->json->{digest}, iterations => 90, key => 'long' });
    like $mill->call('POST', '/items', content => $line, headers => { 'Content-Type' => 'application/x-ndjson', Authorization => $known{Authorization} })->content,
        qr/"id":"$id"/, 'as does a line';
    is_over($mill->enqueue('new', 90, %known, 'Idempotency-Key' => 'new'), 'iterations', 'a new one is too long');
};

subtest 'other quotas' => sub {
    pull('few', 10);
    is put('few', 1)->status, 201, 'an item' for 1, 2;
    is left_with('items=2'), '429 "items";q=2 "items";r=0', 'what a client has counts on';
    is left_with('items=4'), '201 "items";q=4 "items";r=1', 'it may have more';
    is left_with('items=1'), '429 "items";q=1 "items";r=0', 'and fewer than it has';
    $mill->kill_everything;
    $mill->restart;
    is left_with('items=3'), '429 "items";q=3 "items";r=0', 'a restart makes no room';
};

subtest 'the whole queue' => sub {
    my $items = $mill->stats->{items};
    my $count = $items->{waiting} + $items->{leased} + $items->{done};
    ok $mill->reload(ITEMS_MAX => $count + 1), 'a queue with room for one more';
    is put('free', 1)->status, 201, 'which it gets';
    my $reply = put('free', 1);
    is_problem($reply, 503, 'one beyond');
    is $reply->json->{type}, 'urn:hashmill:problem:queue-full', 'is over no quota';
    $reply = put('all', 1);
    is_problem($reply, 503, 'nor is it for a client with quotas');
    like $reply->header('ratelimit'), qr/^"items";r=[1-5], /, 'which is told what they leave';
    is_over(put('few', 1), 'items', 'one that has used up its own');
};

finish();
