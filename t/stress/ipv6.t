# Addresses of IPv6 with the same first 64 bits have one share at nginx, as one machine has them all. IPv4 counts
# address by address, also where it comes in the form of IPv6.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Hashmill::Namespaces;
use Test::More;
use IO::Select ();
use IO::Socket::IP ();
use Hashmill;

use constant { SHARE => 2, SERVER => 'fd77::1' };

for my $address (SERVER, 'fd77:0:0:1::1', 'fd77:0:0:1::2', 'fd77:0:0:1:ffff:ffff:ffff:ffff', 'fd77:0:0:2::1') {
    system('ip', 'address', 'add', "$address/128", 'dev', 'lo', 'nodad') == 0 or plan skip_all => 'there is no IPv6 here';
}
my $mill = Hashmill->start(nginx_change => sub ($text) {
    return nginx_whole($text) =~ s/listen \S+:(\d+) backlog=\d+;/listen [::]:$1 ipv6only=off;/gr
        =~ s/(limit_conn hashmill_waits) \d+/"$1 " . SHARE/er
        =~ s/^( *geo \$hashmill_unlimited \{.*?\})/$1\ngeo \$hashmill_unlimited { default 0; 127.0.0.1 1; 127.0.0.4 1; }/mrs;
});
my $id = $mill->new_item('waited for', 10);
my @waits;

# Begins a long poll from one address at another.
sub look ($from, $to) {
    my $socket = IO::Socket::IP->new(LocalAddr => $from, PeerAddr => $to, PeerPort => $mill->{port}) or die "$from to $to: $@\n";
    $socket->autoflush(1);
    $socket->print("GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    push @waits, $socket;
    return $socket;
}

# The status of an answer that comes at once.
sub status ($socket) {
    return 'none' if !IO::Select->new($socket)->can_read(20);
    sysread $socket, my $text, 4096;
    return $text =~ m{^HTTP/1.1 (\d+)} ? $1 : $text;
}

look($_, SERVER) for 'fd77:0:0:1::1', 'fd77:0:0:1::2';
ok $mill->wait_parked(2), 'two of one network wait';
is status(look('fd77:0:0:1:ffff:ffff:ffff:ffff', SERVER)), 429, 'which is its share';
look('fd77:0:0:2::1', SERVER);
ok $mill->wait_parked(3), 'another network has its own';

look('127.0.0.2', '127.0.0.9') for 1 .. SHARE;
ok $mill->wait_parked(5), 'two of an address of IPv4 wait';
is status(look('127.0.0.2', '127.0.0.9')), 429, 'which is its share';
look('127.0.0.3', '127.0.0.9');
ok $mill->wait_parked(6), 'another address has its own';

look('127.0.0.4', '127.0.0.9') for 1 .. SHARE + 1;
ok $mill->wait_parked(9), 'one that the last block of the configuration names has no limit';
finish();
