# Anonymous clients ask each node for items of the other, as fast as they can: what the nodes ask each other for them is
# more than one address may ask, and they hear each other all the same.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;

use constant { SECONDS => 10, CLIENTS => 2 };

# The limits of an address are low, and the clients' has none.
my $pair = Hashmill::Pair->start(PEER_LOOKS => 5000, nginx_change => sub ($text) {
    return nginx_whole($text) =~ s/(zone=hashmill_rate\S* rate=)\d+r/${1}5r/gr
        =~ s/(zone=hashmill_rate burst=)\d+/${1}5/gr =~ s/default +0;/default 0; 10.77.0.1 1;/r;
});
my ($here, $there) = $pair->nodes;

# Asks a node for items of the other that are not there, until told to stop; how many were answered in which way.
sub ask_much ($node) {
    my %count;
    my $client = Hashmill::Reply::client();
    my $number = 0;
    until (stopping()) {
        my $id = sprintf '%08x-0000-7%03x-80%s-%012x', rand 2**32, rand 4096, $node == $here ? '40' : '00', ++$number;
        $count{ $client->get($node->url . "/items/$id")->{status} }++;
    }
    return %count;
}

my $failures = sub { return scalar(() = join('', map { $_->server_log } $here, $there) =~ /hello failed/g) };
my $before = $failures->(); # when one of them was not there yet
my @clients = map { my $node = $_; background(sub { ask_much($node) }) } ($here, $there) x CLIENTS;
my @away;
my $end = time + SECONDS;
while (time < $end) {
    push @away, grep { $_->peer_stats->{away} } $here, $there;
    sleep 0.2;
}
my %count;
for my $client (@clients) {
    my %one = $client->stop->result;
    $count{$_} += $one{$_} for keys %one;
}
is scalar @away, 0, 'neither takes the other for away';
is $failures->(), $before, 'no hello is refused';
cmp_ok $count{404} // 0, '>', SECONDS, 'as many looks are answered as one address may have';
cmp_ok $count{503} // 0, '>', 100, 'and others are not';
is join(' ', grep { $_ != 404 && $_ != 503 } sort keys %count), '', 'in no other way';
finish();
