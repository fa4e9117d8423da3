# DELETE /items: cancels what waits of one client, all or nothing by its number, and nothing else.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-cancel-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client alice', 'client bob', 'operator op', 'viewer eve');
my $mill = Hashmill->start(KEYS => "$dir/keys");

sub as ($who, $method, $path) {
    return $mill->call($method, $path, headers => { Authorization => "Bearer $key{$who}" });
}

sub items_by ($who, $count, $iterations = 5) {
    return map { $mill->enqueue("$who $_", $iterations, Authorization => "Bearer $key{$who}")->json->{id} } 1 .. $count;
}

sub counts ($who) { return as($who, 'GET', '/stats')->json->{items} }

subtest 'what is refused' => sub {
    items_by('alice', 3);
    for my $query ('', 'confirm=3', 'state=done&confirm=3', 'state=leased&confirm=0', 'state=waiting', 'state=waiting&confirm=',
        'state=waiting&confirm=x', 'state=waiting&confirm=-1', 'state=waiting&confirm=9007199254740992', 'state=waiting&confirm=3&x=1') {
        is_problem(as('alice', 'DELETE', "/items?$query"), 400, "?$query");
    }
    my $reply = as('alice', 'DELETE', '/items?state=waiting&confirm=2');
    is_problem($reply, 409, 'another number');
    is $reply->json->{type}, 'urn:hashmill:problem:count-differs', 'which has a name';
    is $reply->json->{count}, 3, 'and says the right one';
    like $reply->json->{detail}, qr/^3 items of this client wait at this node, and confirm says 2\. .* confirm=3\.$/, 'in words, too';
    is_problem(as('alice', 'DELETE', '/items?state=waiting&confirm=3&client=bob'), 403, "another's items");
    is_problem(as('op', 'DELETE', '/items?state=waiting&confirm=3'), 400, 'an operator that names no client');
    is_problem(as('eve', 'DELETE', '/items?state=waiting&confirm=3&client=alice'), 403, 'a viewer');
    is_problem($mill->call('DELETE', '/items?state=waiting&confirm=3'), 401, 'without a key');
    is_problem($mill->call('DELETE', '/items?state=waiting&confirm=3', headers => { Authorization => "Bearer $key{alice}",
        'Idempotency-Key' => 'k' }), 400, 'a key, which would not make it safe to repeat');
    is counts('alice')->{waiting}, 3, 'nothing was cancelled';
};

subtest 'what is cancelled' => sub {
    my @bob = items_by('bob', 4);
    my ($done) = items_by('alice', 1, 1);
    my $grant = $mill->lease(items => 1)->json;
    my $leased = $grant->{items}[0]{id};
    my ($who, $other) = (grep { $_ eq $leased } @bob) ? qw(bob alice) : qw(alice bob);
    is_deeply as('alice', 'DELETE', '/items?state=waiting&confirm=' . counts('alice')->{waiting})->json,
        { cancelled => $who eq 'alice' ? 2 : 3 }, 'what waits of her';
    is_deeply counts('alice'), { waiting => 0, leased => $who eq 'alice' ? 1 : 0, done => 1, pulled => 0,
        cancelled => $who eq 'alice' ? 2 : 3 }, 'and nothing that is leased or done';
    is counts('bob')->{cancelled}, 0, "nothing of the other's";
    is_deeply as('alice', 'DELETE', '/items?state=waiting&confirm=0')->json, { cancelled => 0 }, 'none is a number, too';
    is_deeply as('op', 'DELETE', '/items?state=waiting&client=bob&confirm=' . counts('bob')->{waiting})->json,
        { cancelled => $who eq 'bob' ? 3 : 4 }, "an operator: a client's";
    is counts('op')->{waiting}, 0, 'nothing waits';
    is $mill->lease->status, 204, 'for no worker';
    my @chain = map { advance($_->{chain}, $_->{remaining}) } $grant->{items}[0];
    is_deeply $mill->report({ id => $leased, lease => $grant->{lease}, remaining => 0, chain => $chain[0] })->json->{taken},
        [$leased], 'the leased one is computed';
};

subtest 'from an item on' => sub {
    my @ids = sort(items_by('alice', 3));
    is_problem(as('alice', 'DELETE', '/items?state=waiting&confirm=3&after=x'), 400, 'after= is an id');
    is_deeply as('alice', 'DELETE', "/items?state=waiting&confirm=3&after=$ids[1]")->json, { cancelled => 1 }, 'only what is behind it';
    is as('alice', 'GET', "/items/$ids[0]")->json->{state}, 'cancelled', 'the older one';
    is_deeply as('alice', 'DELETE', '/items?state=waiting&confirm=2')->json, { cancelled => 2 }, 'then all the others';
};

subtest 'a look that waits' => sub {
    my @ids = items_by('alice', 3);
    my $waiter = background(sub { return as('alice', 'GET', "/items/$ids[1]?wait=25")->json->{state} });
    ok wait_until(20, sub { as('op', 'GET', '/stats')->json->{parked} == 1 }), 'is parked';
    is as('alice', 'DELETE', '/items?state=waiting&confirm=3')->json->{cancelled}, 3, 'all are cancelled';
    is_deeply [$waiter->result], ['cancelled'], 'and it is answered';
};

subtest 'more than one operation cancels' => sub {
    my $count = 1203;
    my @jobs = map { background(sub { items_by('bob', $count / 3); return 1 }) } 1 .. 3;
    $_->result for @jobs;
    is counts('bob')->{waiting}, $count, 'many wait';
    my $before = counts('bob')->{cancelled};
    is as('bob', 'DELETE', "/items?state=waiting&confirm=$count")->json->{cancelled}, $count, 'all go';
    is counts('bob')->{cancelled} - $before, $count, 'and are counted';
    is as('bob', 'GET', '/stats')->json->{remaining}, 0, 'nothing of them remains to be done';
    my ($id) = items_by('bob', 1);
    is $mill->lease->json->{items}[0]{id}, $id, 'what comes then is leased';
};

finish();
