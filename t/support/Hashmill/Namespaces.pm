package Hashmill::Namespaces;

# Networks of a test's own. A test that uses this is run again inside namespaces that are made for it
# (network, mounts, process ids), so that nothing of this machine is touched, tests that run at the same
# time do not meet, and everything is gone with the test, even with one that is killed. Where that is not
# allowed the test is skipped. In there it makes networks, and hosts with an address on each:
#
#     use Hashmill::Namespaces; # before anything that leaves a trace
#     add_network('lan', '10.77.0.254/24');       # the test itself has this address
#     add_host('node0', lan => '10.77.0.1/24');
#     system inside('node0'), 'ip', 'address';    # runs a command on that host
#     cut_network('lan');                         # packets vanish, and nobody is told
#     heal_network('lan');

use v5.36;
use Hashmill::Util qw(skip_for_rights);

use parent 'Exporter';
our @EXPORT = qw(add_host add_network cut_network heal_network inside);

my @unshare = (qw(unshare --net --mount --pid --fork --kill-child --mount-proc),
    $> == 0 ? () : '--map-root-user');

# What only root can do, tried before the test depends on it.
my $try = 'mount -t tmpfs tmpfs /run && ip link set lo up && ip link add name try0 type bridge &&
    ip netns add try && ip link add name try1 type veth peer name try2 netns try && ip link set try1 master try0';

# Why there can be no namespaces; '' when there can.
sub why_not {
    return 'iproute2 is not installed' if !grep { -x "$_/ip" } split(/:/, $ENV{PATH}), '/sbin', '/usr/sbin';
    my $said = qx{@unshare sh -c '$try' 2>&1 </dev/null};
    return '' if $? == 0;
    my ($first) = split /\n/, $said;
    return 'no network namespaces here: ' . ($first // "unshare ended with $?");
}

# Runs the test again, inside. The shell is the parent of processes that have lost their own.
sub enter {
    my $why = why_not();
    skip_for_rights($why) if $why ne '';
    local $ENV{HASHMILL_OUTSIDE} = readlink '/proc/self/ns/net';
    exec @unshare, 'bash', '-c', 'mount -t tmpfs tmpfs /run && ip link set lo up && "$@"; exit $?',
        'bash', $^X, $0, @ARGV or die "unshare: $!\n";
}

sub import {
    local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
    my $outside = $ENV{HASHMILL_OUTSIDE} // '';
    enter() if $outside eq '' || $outside eq readlink '/proc/self/ns/net';
    __PACKAGE__->export_to_level(1, @_);
    return;
}

sub run (@command) {
    system(@command) == 0 or die "@command: failed with $?\n";
    return;
}

sub ip (@arguments) {
    local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
    run('ip', @arguments);
    return;
}

# A network; the test is on it when an address is given.
sub add_network ($name, $address = undef) {
    ip(qw(link add name), $name, qw(type bridge forward_delay 0));
    ip(qw(address add), $address, 'dev', $name) if defined $address;
    ip(qw(link set), $name, 'up');
    return;
}

# A host on networks, with an address on each. Names have together at most 14 letters.
sub add_host ($name, %addresses) {
    ip(qw(netns add), $name);
    ip('-n', $name, qw(link set lo up));
    for my $network (sort keys %addresses) {
        ip(qw(link add name), "$name-$network", qw(type veth peer name), $network, 'netns', $name);
        ip('-n', $name, qw(address add), $addresses{$network}, 'dev', $network);
        ip('-n', $name, qw(link set), $network, 'up');
        ip(qw(link set), "$name-$network", 'master', $network, 'up');
    }
    return;
}

# The command that runs another one on a host, in its own place.
sub inside ($name) { return ('nsenter', "--net=/run/netns/$name") }

# Makes whatever is sent on a network vanish.
sub cut_network ($name) { return ip(qw(link set), $name, 'down') }

sub heal_network ($name) { return ip(qw(link set), $name, 'up') }

1;
