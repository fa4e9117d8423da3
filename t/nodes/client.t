# hashmill run with two nodes; one is killed on the way and comes back: each value comes once.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Pair;
use Hashmill;
use Hashmill::Client;

use constant { FILES => 2500, ITERATIONS => 100_000 };

my $pair = Hashmill::Pair->start;
my ($here, $there) = $pair->nodes;
my $worker = $pair->start_worker;
my $client = Hashmill::Client->new($here, url => $here->url . ',' . $there->url);
$client->{env}{HASHMILL_TEST_INSTANCE} = 'client'; # it lives on when a node is killed
my @files = map { sprintf '%s/file%04d', $client->{dir}, $_ } 1 .. FILES;
spew($_, "the body of $_") for @files;
spew("$client->{dir}/list", join "\n", @files);

sub items ($node) { my $items = $node->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

for my $round (1, 2) {
    my $before = items($here) + items($there);
    my $run = $client->start('run', '--from-file', "$client->{dir}/list", '-n', ITERATIONS + $round);
    ok wait_until(30, sub { items($here) + items($there) > $before }), 'the first items are put';
    $here->kill_everything;
    ok wait_until(60, sub { $client->err($run) =~ /\Q${\$here->url}\E: .*/ }), 'run says which node does not answer';
    ok wait_until(60, sub { $there->stats->{peers}[0]{away} }), 'the other node has noticed it, too';
    $here->restart;
    my $done = $client->end($run, undef, 200);
    is $done->{code}, 0, 'run goes on to the end';
    is_deeply [map { (split /  /)[1] } $client->lines($done)], \@files, 'with a value for each file, in their order';
    for my $number (0, 1000, FILES - 1) {
        is((split /  /, ($client->lines($done))[$number])[0], value_of(slurp($files[$number]), ITERATIONS + $round), 'a right one');
    }
    ok $pair->wait_together, 'the nodes hear each other';
    is items($here) + items($there), $before + FILES, 'no item was put twice';
    note $done->{err};
}

finish();
