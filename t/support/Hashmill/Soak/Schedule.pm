package Hashmill::Soak::Schedule;

# Which fault comes when, a function of the seed alone. Lanes go on side by side. In each, faults come one after another
# from a deck that is shuffled again when it is used up. So faults of different lanes overlap at random, and each kind
# comes equally often.

use v5.36;
use parent 'Exporter';

use Hashmill::Soak::Random;

our @EXPORT = qw(counts kinds needs_of schedule text_of);

# Processes of a node by role, as Hashmill::children has them, and the others.
my @children = qw(writer public public-wait worker worker-wait peering replica scaler);
my @roles = ('master', @children, 'nginx', 'nginx-worker');

# Pairs of hosts, each with a link of its own.
my @links = map { [split /-/] } qw(node0-node1 node0-clients node1-clients node0-workers node1-workers);

# A card: kind of fault, [shortest, longest] time that it lasts, what it is aimed at (if it matters which).
sub card ($kind, $low, $high, %aim) { return { kind => $kind, lasts => [$low, $high], %aim } }

sub node_cards ($node) {
    my @aim = (node => $node);
    return (
        (map { card("kill $_", 0, 0, @aim, role => $_) } @roles),
        (map { card("stop $_", 0.3, 4, @aim, role => $_) } @roles),
        card('node killed', 0.2, 4, @aim),
        card('node lost', 0.2, 3, @aim),
        card('disk full', 1, 4, @aim),
        card('disk errors', 0.5, 2, @aim),
        card('fsync fails', 0.5, 2, @aim),
        card('fsync slow', 1, 4, @aim),
        card('memory limit', 1, 4, @aim, roles => \@children),
        card('out of memory', 1, 4, @aim, roles => \@children),
    );
}

my @lanes = (
    { name => 'node0', seconds => 118, cards => [node_cards(0)] },
    { name => 'node1', seconds => 118, cards => [node_cards(1)] },
    { name => 'links', seconds => 110, cards => [map { my $link = $_;
        map { card("link $_", 1, 5, link => $link) } qw(cut slow lossy disordered) } @links] },
    { name => 'workers', seconds => 22, cards => [map { my $number = $_;
        (card('kill hashmill-worker', 0, 0, number => $number), card('stop hashmill-worker', 0.5, 6, number => $number)) } 0, 1] },
    { name => 'clocks', seconds => 50, cards => [map { my $node = $_;
        map { card("clock $_", 1, 10, node => $node) } qw(forward back) } 0, 1] },
    { name => 'clients', seconds => 55, cards => [
        (map { card("reset $_", 0, 0, nodes => [0, 1]) } qw(request answer)),
        (map { card("lie $_", 0, 0, nodes => [0, 1]) } qw(ids half again late large digest step)),
    ] },
);

# What a kind needs; '' for nothing.
sub needs_of ($kind) {
    return 'hosts' if $kind =~ /^link /;
    return 'small disk' if $kind eq 'disk full';
    return 'shim' if $kind =~ /^(?:disk errors|fsync )/;
    return 'build without sanitizers' if $kind eq 'memory limit';
    return 'cgroup' if $kind eq 'out of memory';
    return '';
}

sub kinds {
    my %seen;
    return grep { !$seen{$_}++ } map { map { $_->{kind} } $_->{cards}->@* } @lanes;
}

# One deck of a lane, which takes exactly the lane's seconds: gaps are drawn, then scaled to fill the time that the
# faults leave.
sub deck ($random, $lane, $begin) {
    my @events = map { draw($random, $_) } $random->shuffled($lane->{cards}->@*);
    my @gaps = map { $random->between(0.3, 1.7) } @events;
    my ($busy, $idle) = (0, 0);
    $busy += $_->{seconds} for @events;
    $idle += $_ for @gaps;
    my $scale = ($lane->{seconds} - $busy) / $idle;
    die "the faults of $lane->{name} do not fit\n" if $scale < 0.2;
    my $at = $begin;
    for my $number (0 .. $#events) {
        $at += $gaps[$number] * $scale;
        $events[$number]{at} = $at;
        $at += $events[$number]{seconds};
    }
    return @events;
}

# Draws a fault from a card; its dice decides the other choices.
sub draw ($random, $card) {
    my %event = (kind => $card->{kind}, seconds => $random->between($card->{lasts}->@*), dice => $random->unit);
    $event{$_} = $card->{$_} for grep { exists $card->{$_} } qw(node role link number);
    $event{role} = $random->pick($card->{roles}->@*) if $card->{roles};
    $event{node} = $random->pick($card->{nodes}->@*) if $card->{nodes};
    return \%event;
}

# All faults of $seconds in order, each { at, seconds, kind, dice } and its aim: some of node, role, link, number.
sub schedule ($seed, $seconds) {
    my @events;
    for my $lane (@lanes) {
        my $random = Hashmill::Soak::Random->new("$seed $lane->{name}");
        for (my $begin = 0; $begin < $seconds; $begin += $lane->{seconds}) {
            push @events, grep { $_->{at} + $_->{seconds} < $seconds } deck($random, $lane, $begin);
        }
    }
    return sort { $a->{at} <=> $b->{at} || $a->{kind} cmp $b->{kind} } @events;
}

# How many there are of each kind.
sub counts (@events) {
    my %count = map { $_ => 0 } kinds();
    $count{ $_->{kind} }++ for @events;
    return \%count;
}

# One fault in a line.
sub text_of ($event) {
    my @aim = map { ref $event->{$_} ? "$_ " . join('-', $event->{$_}->@*) : "$_ $event->{$_}" }
        grep { defined $event->{$_} } qw(node role link number);
    return sprintf '%8.2f  %-26s %.2f s  %s', $event->{at}, $event->{kind}, $event->{seconds}, join ', ', @aim;
}

1;
