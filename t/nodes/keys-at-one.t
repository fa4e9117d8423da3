# Two nodes, one of them with KEYS: whoever reaches the other without a key neither sees nor changes what belongs to
# its clients.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill::Pair;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga');
my $pair = Hashmill::Pair->start(COPY => 'none', node0 => { KEYS => "$dir/keys", key => $key{olga} });
my ($here, $there) = $pair->nodes;
$here->expect_log(qr/node 1 has no KEYS/);

sub as ($who) { return (headers => { Authorization => "Bearer $key{$who}" }) }

my $anns = $here->call('PUT', '/enqueue?iterations=1', content => 'of ann', as('ann'))->json->{id};
my $waits = $here->call('PUT', '/enqueue?iterations=1000', content => 'waits', as('ann'))->json->{id};

subtest 'at the node without KEYS' => sub {
    is_problem($there->item($anns), 404, 'a look at an item of a client of the other');
    is_problem($there->call('DELETE', "/items/$waits"), 404, 'a cancel');
    is_deeply $there->get("/items$_")->json, [], "a list $_" for '', '?client=ann';
    is_deeply $there->pull(10, %$_)->json, [], 'a pull' for {}, { client => 'ann' };
    is $here->state_of($anns), 'done', 'the item is there still';
    is $here->state_of($waits), 'waiting', 'and so is the other';
    ok wait_until(20, sub { $here->server_log =~ /node 1 has no KEYS/ }), 'the log of the node with KEYS warns of it';
};

subtest 'at the node with KEYS' => sub {
    my $nobodys = $there->new_item('of nobody', 1);
    is_problem($here->call('GET', "/items/$nobodys", as('ben')), 404, 'a client looks at an item of nobody');
    is $here->item($nobodys)->json->{state}, 'done', 'an operator';
    is_deeply [sort map { $_->{id} } $here->get('/items')->json->@*], [sort $nobodys, $anns, $waits], 'who lists what is at both';
    is_deeply [map { $_->{id} } $here->pull(10, client => '')->json->@*], [$nobodys], 'and pulls it';
    is_deeply [map { $_->{id} } $here->call('POST', '/pullCompleted?top=10', as('ann'))->json->@*], [$anns], 'a client pulls its own';
};

finish();
