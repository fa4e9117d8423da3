# A list of two nodes has the items of both, whichever is asked, each once, also while one of them is away.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Pair;
use Hashmill;

my $pair = Hashmill::Pair->start(COPY => 'async');
my ($here, $there) = $pair->nodes;

sub next_of ($reply) {
    my $link = $reply->header('link') // return;
    return $link =~ m{^<(/items\?\S+)>; rel="next"$} ? $1 : die "Link: $link\n";
}

# The items of all pages.
sub pages ($node, $path) {
    my @items;
    while ($path) {
        my $reply = $node->get($path);
        is $reply->status, 200, "node $node->{settings}{NODE}: $path" or return;
        push @items, $reply->json->@*;
        $path = next_of($reply);
    }
    return @items;
}

sub ids (@items) { return map { $_->{id} } @items }

my (@here, @there);
for my $number (1 .. 20) {
    push @here, $here->new_item("here $number", $number % 5 ? 9 : 1) if $number % 3;
    push @there, $there->new_item("there $number", $number % 2 ? 9 : 1) if $number % 4;
}
my @all = reverse sort @here, @there;

subtest 'both together' => sub {
    for my $node ($pair->nodes) {
        for my $limit (1, 7, 1000) {
            is_deeply [ids(pages($node, "/items?limit=$limit"))], \@all, "limit=$limit: each once, the newest first";
        }
        for my $after ($here[5], $there[5]) {
            my ($at) = grep { $all[$_] eq $after } 0 .. $#all;
            is_deeply [ids($node->get("/items?after=$after&limit=4")->json->@*)], [@all[$at + 1 .. $at + 4]],
                'behind an item of either node';
        }
        my @done = pages($node, '/items?state=done&limit=3');
        is scalar @done, 4 - 1 + 5, 'by state' or diag scalar @done;
        is_deeply [ids(@done)], [reverse sort(ids(@done))], 'in order';
        is_problem($node->get('/items?after=' . ($_ =~ s/.{8}$/00000000/r)), 404, 'behind an item that never was')
            for $here[0], $there[0];
    }
    my ($shown) = grep { $_->{id} eq $there[0] } $here->get('/items?limit=1000')->json->@*;
    is_deeply { lasting($shown)->%*, client => undef }, { lasting($there->item($there[0])->json)->%*, client => undef }, 'each as it stands';
};

subtest 'while the other node is away' => sub {
    ok $pair->wait_told, 'the replicas have all';
    $pair->cut;
    ok $pair->wait_apart, 'the nodes are apart';
    my @items = pages($here, '/items?limit=7');
    is_deeply [ids(@items)], \@all, 'its items are listed as the replica has them';
    my %theirs = map { ($_ => 1) } @there;
    is_deeply [grep { !$theirs{ $_->{id} } != !$_->{as_of} } @items], [], 'and those alone have as_of';
    my $late = $there->new_item('late', 9);
    is_problem($here->get("/items?after=$late"), 503, 'an item that the replica lacks: it cannot be told');
    is_deeply [ids($here->get("/items?after=$there[0]&limit=1")->json->@*)],
        [grep { $_ lt $there[0] } @all] ? [(grep { $_ lt $there[0] } @all)[0]] : [], 'behind one that it has';
    $pair->heal;
    ok $pair->wait_together, 'they are together again';
    is_deeply [ids(pages($here, '/items?limit=1000'))], [$late, @all], 'and all is listed';
};

finish();
