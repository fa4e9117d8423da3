# What an operator does at one node with items of both is kept once, at the node that the documentation says; the replicas
# have it, too.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill::Pair;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'operator olga');
my $pair = Hashmill::Pair->start(KEYS => "$dir/keys", key => $key{olga}, LOG_LEVEL => 'debug');
my ($here, $there) = $pair->nodes;

sub put ($node, $iterations) {
    return $node->enqueue('of ann ' . uuid(), $iterations, Authorization => "Bearer $key{ann}")->json->{id};
}

sub actions ($node) { return [map { join ' ', @$_ } $node->sql("SELECT who, why FROM decisions WHERE who <> 'the scaler'")] }

subtest 'a cancel of the other node' => sub {
    my ($id, $own) = map { put($there, 1000) } 1, 2;
    is $here->call('DELETE', "/items/$id")->status, 204, 'an operator cancels it here';
    is_deeply actions($there), ["olga cancel $id: 1 items"], 'the node of the item keeps who it was';
    is $here->call('DELETE', "/items/$own", headers => { Authorization => "Bearer $key{ann}" })->status, 204, 'its client cancels another';
    is_deeply [actions($here), scalar actions($there)->@*], [[], 1], 'which is kept nowhere';
};

subtest 'a pull of both nodes' => sub {
    put($_, 1) for $here, $here, $there;
    is scalar $here->pull(10, client => 'ann')->json->@*, 3, 'has the items of both';
    is_deeply actions($here), ['olga pull ann: 3 items'], 'the node that was asked keeps it';
    my %again = (client => 'ann', headers => { 'Idempotency-Key' => 'once' });
    put($_, 1) for $here, $there;
    is scalar $here->pull(10, %again)->json->@*, 2, 'with a key' for 1, 2;
    is_deeply actions($here), ['olga pull ann: 2 items', 'olga pull ann: 3 items'], 'it is kept once';
    is scalar actions($there)->@*, 1, 'and not at the other node';
};

subtest 'a pause' => sub {
    is $here->call('POST', '/admin/pause?what=intake')->status, 200, 'of one node';
    is_deeply [map { $_->stats->{paused} } $here, $there], [['intake'], []], 'is not one of the other';
    is $there->enqueue('there', 1)->status, 201, 'which takes items';
    is $here->enqueue('here', 1)->status, 503, 'this one does not';
    ok $pair->wait_equal($here), 'the replica has it';
    my $replica = "$there->{settings}{DATABASE}-replica";
    is qx{sqlite3 -readonly '$replica' 'SELECT paused FROM tally; SELECT count(*) FROM audit'}, "1\n3\n", 'with all that was done';
};

subtest 'the id of a request' => sub {
    my $id = put($there, 1000);
    my %headers = ('X-Request-Id' => 'of-an-operator');
    is $here->item($id)->status, 200, 'a look at an item of the other node';
    is $here->get("/items/$id?wait=1", %headers)->status, 200, 'one that waits';
    is $here->call('DELETE', "/items/$id", headers => \%headers)->status, 204, 'and a cancel of it';
    is_deeply [$there->server_log =~ /debug: (POST \S+ is answered \d+) \(request of-an-operator\)/g],
        ['POST /peer/look is answered 200', 'POST /peer/cancel is answered 204'], 'are known there by the same id';
};

finish();
