# Counts that cannot be right: saved by a version that let a sum overflow, or spoilt on the disk. The rows are counted
# again at the start, and in a running server before anything is saved.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $mill = Hashmill->start;
my @ids = map { $mill->new_item("counted $_", 1000) } 1 .. 3;
$mill->new_item('done', 1);

# Starts it again with other counts in the database, the only client's as well.
sub spoil ($change, $more = '') {
    ok $mill->stop_server, 'it stops';
    system('sqlite3', $mill->{settings}{DATABASE}, "UPDATE tally SET $change; UPDATE client SET $change; $more") == 0 or die;
    $mill->start_server;
    return;
}

# Asserts the counts of clients: waiting, done, cancelled, remaining.
sub counts_are ($counts, $name) {
    my $stats = $mill->stats;
    is_deeply [$stats->{items}->@{qw(waiting done cancelled)}, $stats->{remaining}], $counts, $name;
    return;
}

sub warnings { return scalar(() = $mill->server_log =~ /warn: the counts of the queue cannot be right/g) }

my $right = [3, 1, 0, 3 * 999];
counts_are($right, 'as they are');
for my $change ('remaining = -9007199254740991', 'remaining = 4611686018427387905', 'remaining = 2', 'waiting = -1', 'waiting = 0',
    'done = 0', 'cancelled = 5', 'leased = 1') {
    my $before = warnings();
    spoil($change);
    counts_are($right, "$change: counted again");
    is warnings(), $before + 1, 'with a warning';
}
{
    my $before = warnings();
    $mill->stop_server;
    system('sqlite3', $mill->{settings}{DATABASE}, 'UPDATE client SET pulled = pulled + 1') == 0 or die;
    $mill->start_server;
    counts_are($right, 'those of clients that do not add up: counted again');
    is warnings(), $before + 1, 'with a warning';
}
is $mill->lease(items => 1)->status, 200, 'what waits is leased';

subtest 'a sum that goes below zero' => sub {
    spoil('remaining = 3'); # as little as can be
    my $before = warnings();
    is $mill->call('DELETE', "/items/$ids[2]")->status, 204, 'an item is cancelled that has more than all are said to have';
    my $stats = $mill->stats;
    is $stats->{remaining}, 2 * 999, 'what remains is that of the others';
    is warnings(), $before + 1, 'with a warning';
    is_deeply [$mill->sql('SELECT remaining, cancelled FROM tally')], [[1998, 1]], 'and that is saved';
};

subtest 'a sum that goes too far' => sub {
    spoil('pulled = 1099511627776, done = 0', 'UPDATE item SET state = 3, closed = 1 WHERE state = 2');
    is $mill->stats->{items}{pulled}, 1099511627776, 'a count that there could be';
    $mill->new_item('one more', 1);
    is scalar $mill->pull(1)->json->@*, 1, 'one more';
    is $mill->stats->{items}{pulled}, 2, 'is counted from the rows';
};

finish();
