package Hashmill::Soak::Switch;

# A network of hosts (namespaces) with a link between any two of them. Each link can be cut, slowed down, or made to
# lose or reorder packets. Every host has one TAP device; all packets between hosts pass through a process that acts as
# their link. Kernels without tc's netem will do.
#
#     my $switch = Hashmill::Soak::Switch->start(node0 => ['10.77.0.10/24', '10.77.1.10/24'], here => [...]);
#     $switch->set(node0 => 'here', cut => 1);
#     $switch->set(node0 => 'here', slow => 0.05, lossy => 0.1, disordered => 0.2);
#     $switch->set(node0 => 'here');                        # as new
#
# The host "here" is the one that calls; the others are made.

use v5.36;
use JSON::PP qw(decode_json encode_json);
use POSIX ();
use Time::HiRes qw(time);

use Hashmill::Job;
use Hashmill::Namespaces ();
use Hashmill::Util;

use constant {
    TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000, # <linux/if_tun.h>
    FRAME_MAX => 65536, DISORDER_SECONDS => 0.03, QUEUE_MAX => 5000,
};

# Whether there can be any.
sub why_not { return open(my $file, '+<', '/dev/net/tun') ? '' : "/dev/net/tun: $!" }

sub start ($class, %hosts) {
    my @names = sort keys %hosts;
    my @taps = map { host($_, $names[$_], $hosts{ $names[$_] }->@*) } 0 .. $#names;
    pipe my $orders, my $control or die;
    my $job = background(sub {
        close $control;
        return forward($orders, @taps);
    });
    close $orders;
    $control->autoflush(1);
    my %number = map { $names[$_] => $_ } 0 .. $#names;
    return bless { control => $control, job => $job, number => \%number }, $class;
}

# Makes a host with its addresses and returns its end of the wire.
sub host ($number, $name, @addresses) {
    my $device = "soak$number";
    open my $tap, '+<:raw', '/dev/net/tun' or die "/dev/net/tun: $!\n";
    my $request = pack 'Z16 S x22', $device, IFF_TAP | IFF_NO_PI;
    ioctl $tap, TUNSETIFF, $request or die "$device: $!\n";
    my @ip = 'ip';
    if ($name ne 'here') {
        ip(qw(netns add), $name);
        ip(qw(link set), $device, 'netns', $name);
        @ip = ('ip', '-n', $name);
        run(@ip, qw(link set lo up));
    }
    run(@ip, qw(link set), $device, 'address', address($number));
    run(@ip, qw(address add), $_, 'dev', $device) for @addresses;
    run(@ip, qw(link set), $device, 'up');
    return $tap;
}

sub run (@command) { return Hashmill::Namespaces::run(@command) }
sub ip (@command)  { return Hashmill::Namespaces::ip(@command) }

sub address ($number) { return "02:00:00:00:00:0$number" }

# Sets what a link between two hosts does from now on; by default nothing.
sub set ($self, $one, $other, %does) {
    my @ends = map { $self->{number}{$_} // die "no host $_\n" } $one, $other;
    print { $self->{control} } encode_json([@ends, \%does]), "\n";
    return;
}

# How many frames went through, and how many were lost on purpose, late or out of order.
sub stop ($self) {
    close $self->{control};
    return $self->{job}->result;
}

# --- the process ----------------------------------------------------------------------------------

# Carries frames until the pipe of orders is closed.
sub forward ($orders, @taps) {
    my %wires; # by both ends in order: { does, last => when the latest frame is due }
    my @due;   # [when, number of the tap, frame], earliest first
    my %count = (carried => 0, lost => 0, late => 0, disordered => 0);
    my ($text, $watched) = ('', '');
    vec($watched, fileno $_, 1) = 1 for $orders, @taps;
    while (1) {
        my $patience = @due ? $due[0][0] - time : 1;
        select(my $ready = $watched, undef, undef, $patience > 0 ? $patience : 0);
        if (vec $ready, fileno $orders, 1) {
            sysread($orders, $text, 65536, length $text) or return \%count;
            while ($text =~ s/^(.*)\n//) {
                my ($one, $other, $does) = decode_json($1)->@*;
                $wires{"$one $other"}{does} = $wires{"$other $one"}{does} = $does;
            }
        }
        for my $from (grep { vec $ready, fileno $taps[$_], 1 } 0 .. $#taps) {
            sysread $taps[$from], my $frame, FRAME_MAX or next;
            send_frame($_, $frame, \@due, $wires{"$from $_"} //= {}, \%count) for receivers($frame, $from, scalar @taps);
        }
        while (@due && $due[0][0] <= time) {
            my (undef, $to, $frame) = (shift @due)->@*;
            syswrite $taps[$to], $frame;
            $count{carried}++;
        }
    }
}

# The numbers of the hosts that a frame is meant for.
sub receivers ($frame, $from, $hosts) {
    my ($first, $last) = unpack 'C x4 C', $frame;
    return grep { $_ != $from } 0 .. $hosts - 1 if $first & 1;
    return $last < $hosts ? $last : ();
}

# Queues a frame by its due time, or drops it.
sub send_frame ($to, $frame, $due, $wire, $count) {
    my %does = ($wire->{does} // {})->%*;
    if ($does{cut} || @$due > QUEUE_MAX || rand() < ($does{lossy} // 0)) {
        $count->{lost}++;
        return;
    }
    my $now = time;
    my $when = $now + ($does{slow} // 0) * (0.5 + rand);
    if (rand() < ($does{disordered} // 0)) {
        $count->{disordered}++;
        $when += rand DISORDER_SECONDS; # later frames do not wait for it
    }
    else {
        $when = $wire->{last} if $when < ($wire->{last} // 0);
        $wire->{last} = $when;
    }
    $count->{late}++ if $when > $now;
    my $place = @$due;
    $place-- while $place > 0 && $due->[$place - 1][0] > $when;
    splice @$due, $place, 0, [$when, $to, $frame];
    return;
}

1;
