# One address makes more connections than nginx holds, each with half a header, which nginx counts for nobody. Where the
# kernel counts them (nginx/connections.nft), others are served.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Hashmill::Namespaces;
use Test::More;
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);
use Hashmill;

use constant { MANY => 4200, SPARE => 300, ADDRESS => '10.77.0.10', PORT => 8080, SECONDS => 12 };

local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
plan skip_all => 'nftables is not installed' if !grep { -x "$_/nft" } split /:/, $ENV{PATH};
my $files = raise_files(MANY + SPARE);
plan skip_all => "this user may open $files files" if $files < MANY + SPARE;

add_network('lan', '10.77.0.1/24');
add_host('server', lan => ADDRESS . '/24');
add_host('greedy', lan => '10.77.0.66/24');
system(inside('server'), 'nft', '-f', "$FindBin::Bin/../../nginx/connections.nft") == 0
    or plan skip_all => 'this kernel does not count connections';
my $mill = Hashmill->start(address => ADDRESS, listen => '0.0.0.0', port => PORT, inside => [inside('server')]);
$mill->expect_log(qr/initgroups\(root, 0\) failed/);

# Holds as many connections as it gets, and makes new ones for those that end, until it has no parent any more.
my $greedy = <<'END';
use v5.36; use IO::Socket::INET; use IO::Select; use Time::HiRes 'sleep';
my ($address, $port, $many, $parent) = @ARGV;
$SIG{PIPE} = 'IGNORE'; $| = 1;
my @sockets;
my $most = 0;
while (getppid == $parent) {
    @sockets = grep { $_->connected && !IO::Select->new($_)->can_read(0) } @sockets;
    while (@sockets < $many) {
        my $socket = IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port, Timeout => 1) // last;
        syswrite $socket, "GET /healthz HTTP/1.1\r\nHost:";
        push @sockets, $socket;
    }
    say scalar @sockets;
    sleep 0.1;
}
END
pipe my $from, my $to or die;
my $test = $$;
my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDOUT, '>&', $to or die;
    exec inside('greedy'), $^X, '-e', $greedy, ADDRESS, PORT, MANY, $test or die;
}
close $to;
my @held = map { scalar <$from> } 1 .. 2; # the second count is of all that could be made
chomp @held;
my ($longest, $good, $asked) = (0, 0, 0);
my $end = time + SECONDS;
while (time < $end) {
    my $start = time;
    $asked++;
    $good += $mill->enqueue("beside them $asked", 10)->status == 201;
    $longest = time - $start if time - $start > $longest;
    sleep 0.05;
}
cmp_ok $held[1], '<=', 400, "of the connections with half a header $held[1] are there";
cmp_ok $held[1], '>', 300, 'which are as many as one address may have';
is $good, $asked, "$asked enqueues of another address are answered 201";
cmp_ok $longest, '<', sanitized() ? 5 : 2, sprintf 'the longest took %.3f s', $longest;
kill 'KILL', $pid;
waitpid $pid, 0;
finish();
