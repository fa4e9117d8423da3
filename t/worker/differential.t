# Everything at once against an independent implementation: random bodies and n, concurrent clients,
# a real worker, two concurrent pullers. Every id comes out exactly once with the right value.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

use constant { CLIENTS => 6, ITEMS => 40, PULLERS => 2 };

my $mill = Hashmill->start;
my $worker = $mill->start_worker;

# Sizes over the whole range, small ones as likely as large ones, the ends among them.
sub random_size {
    my $choice = rand;
    return 1 if $choice < 0.02;
    return 262_144 if $choice < 0.04;
    return 1 + int(exp(rand log 262_144));
}

# One client's share: [id, n, value] of each of its items. The values are computed here, meanwhile.
sub client {
    my @items;
    for (1 .. ITEMS) {
        my ($body, $n) = (random_body(random_size()), 1 + int rand 5000);
        my $reply = $mill->enqueue($body, $n);
        die 'enqueue: ' . $reply->status if $reply->status != 201;
        my $item = $reply->json;
        die 'the digest of another body' if $item->{digest} ne value_of($body, 1);
        push @items, [$item->{id}, $n, value_of($body, $n)];
    }
    return @items;
}

# Pulls until told to stop and nothing is left, or far too much came.
sub puller ($number) {
    my @pulled;
    while (1) {
        my $last = stopping();
        my $batch = $mill->pull(1 + int rand 20, order => $number ? 'oldest' : 'latest')->json;
        push @pulled, map { [$_->@{qw(id iterations value)}] } @$batch;
        return @pulled if $last && !@$batch || @pulled > 3 * CLIENTS * ITEMS;
        select undef, undef, undef, 0.02 if !@$batch;
    }
}

my @pullers = map { my $number = $_; background(sub { puller($number) }) } 0 .. PULLERS - 1;
my @enqueued = map { @$_ } parallel(CLIENTS, sub { client() });
ok $mill->wait_computed, 'all are computed';
my @pulled = map { $_->stop->result } @pullers;

my %times;
$times{ $_->[0] }++ for @pulled;
is scalar @enqueued, CLIENTS * ITEMS, 'all pairs were enqueued';
is scalar @pulled, CLIENTS * ITEMS, 'as many were pulled';
is scalar(grep { $_ != 1 } values %times), 0, 'each id once';
my %got = map { $_->[0] => $_ } @pulled;
my @wrong = grep { my $pulled = $got{ $_->[0] }; !$pulled || "@$pulled" ne "@$_" } @enqueued;
is_deeply \@wrong, [], 'every value equals the one computed by Digest::SHA';
is $mill->stats->{items}{pulled}, CLIENTS * ITEMS, 'the counts agree';
is $mill->stats->{remaining}, 0, 'nothing is left to compute';
$worker->kill('TERM');
is $worker->wait_exit(10), 0, 'the worker ends';

finish();
