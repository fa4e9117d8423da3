package Hashmill::Pair;

# Two nodes that are peers of each other, NODE 0 and 1, each on a host of its own, and workers on a third.
# The test and the workers reach both nodes by one network; the nodes reach each other by another, which
# can be cut. A test reads like this:
#
#     use Test::More;
#     use Hashmill::Pair;                                      # first: see Hashmill::Namespaces
#     use Hashmill;
#     my $pair = Hashmill::Pair->start(COPY => 'sync');
#     my ($here, $there) = $pair->nodes;                       # see Hashmill::PairNode
#     $pair->start_worker;                                     # for both
#     $pair->cut;
#     $pair->heal;
#     finish();
#
# A test has one pair.

use v5.36;
use Digest::SHA qw(sha512_hex);

use Hashmill::Namespaces;
use Hashmill;
use Hashmill::PairNode;
use Hashmill::Util;

# Starts both nodes and returns when they hear each other and, unless COPY is none, their replicas follow. Options as Hashmill::PairNode's, for both;
# node0 => { for this one only }, node1 too.
sub start ($class, %options) {
    my @only = map { delete $options{"node$_"} // {} } 0, 1;
    add_network('lan', '10.77.0.1/24');
    add_network('peers');
    add_host('workers', lan => '10.77.0.20/24');
    for my $node (0, 1) {
        add_host(Hashmill::PairNode::host_name($node), lan => Hashmill::PairNode::address($node) . '/24',
            peers => Hashmill::PairNode::peer_address($node) . '/24');
    }
    my ($worker_token, $peer_token) = map { sha512_hex(random_body(32)) } 1, 2;
    my @nodes = map { Hashmill::PairNode->start(NODE => $_, WORKER_TOKEN => $worker_token,
        PEER_TOKEN => $peer_token, %options, $only[$_]->%*) } 0, 1;
    my $self = bless { nodes => \@nodes }, $class;
    $self->wait_together or $nodes[0]->give_up('the nodes do not hear each other');
    ($options{COPY} // '') eq 'none' || $self->wait_told or $nodes[0]->give_up('a replica does not follow');
    return $self;
}

sub nodes ($self) { return $self->{nodes}->@* }

# Cuts the nodes off from each other.
sub cut ($self)  { return cut_network('peers') }
sub heal ($self) { return heal_network('peers') }

# Waits until each node reaches the other and can ask it; or until neither does.
sub wait_together ($self) { return !grep { !$_->wait_away(0) || !$_->wait_asked } $self->nodes }
sub wait_apart ($self)    { return !grep { !$_->wait_away(1) } $self->nodes }

# Waits until each has all batches of the other.
sub wait_told ($self) { return !grep { !$_->wait_told } $self->nodes }

# Waits until the replica of a node's database is equal to it, row by row. Compares repeatedly, as the database changes
# meanwhile.
sub wait_equal ($self, $node) {
    my ($other) = grep { $_ != $node } $self->nodes;
    my ($here, $there);
    my $equal = wait_until(30, sub {
        ($there, $here) = ($other->dump_replica, $node->dump_database);
        return $here ne '' && $here eq $there;
    });
    $self->tell_difference($here, $there) if !$equal;
    return $equal;
}

sub tell_difference ($self, $here, $there) {
    my %there = map { $_ => 1 } split /\n/, $there;
    my %here = map { $_ => 1 } split /\n/, $here;
    Test::More::diag("only in the database: $_") for grep { !$there{$_} } sort keys %here;
    Test::More::diag("only in the replica: $_") for grep { !$here{$_} } sort keys %there;
    return;
}

# A worker that belongs to neither node: it lives on when a node is killed with all its own processes.
sub start_worker ($self, %settings) {
    return $self->{nodes}[0]->start_worker(env => { HASHMILL_TEST_INSTANCE => 'workers' }, %settings);
}

sub pass_seconds ($self, $seconds) {
    $_->pass_seconds($seconds) for $self->nodes;
    return;
}

# Waits until all items are computed, whoever has them.
sub wait_computed ($self, $seconds = 120) {
    return !grep { !$_->wait_computed($seconds) } $self->nodes;
}

1;
