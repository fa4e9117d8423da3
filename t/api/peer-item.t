# What another node tells of an item is refused where it is read, with 400, when the writer would not take it: a
# value of the year 1970 that was handed out (the writer would close the channel of the process that brought it, and
# the request be answered 503 for ever), and more moves or trials than there may be.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Digest::SHA qw(sha512_hex);
use Hashmill;

my $token = sha512_hex('nodes');
my $mill = Hashmill->start(NODE => 0, PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => $token);

sub told (%more) {
    my $digest = sha512_hex('x');
    my %item = (id => uuid(), digest => $digest, iterations => 1, remaining => 0, state => 'pulled', enqueued => 1,
        completed => 2, home => 1, moves => 0, trial => 0, %more);
    return $mill->worker_call('/peer/copies', { protocol => 1, node => 1, items => [\%item] }, Authorization => "Bearer $token");
}

is told(%$_)->status, 204, 'an item' for {}, { completed => 1 }, { moves => 2**30, trial => 2**30 };
for my $wrong ([completed => 0], [moves => 2**30 + 1], [trial => 2**30 + 1]) {
    my ($name, $value) = @$wrong;
    like is_problem(told($name => $value), 400, "$name $value")->{detail}, qr/items\[0\]\.$name/, 'the detail names it';
}
is told()->status, 204, 'and the next one is taken';

finish();
