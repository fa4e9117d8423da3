package Hashmill::Loans;

# Loans between two nodes, and mishaps: each test causes one kind of mishap in the middle of every step of a loan, and
# checks that both nodes are back at their own limit in time. The machines compute nothing (t/tools/idle-worker): each
# holds one item, so the number of items that a node has says how many machines it could use.

use v5.36;
use parent 'Exporter';
use FindBin ();
use Test::More;
use Time::HiRes qw(sleep time);

use Hashmill::Pair;
use Hashmill;
use Hashmill::Util;

our @EXPORT = qw(LIMIT);
use constant {
    LIMIT => 3,           # WORKERS_MAX of both
    LOAN_SECONDS => 6,
    SLACK_SECONDS => 12,  # for the scaler's turns, the provider's calls and a busy computer
    PAUSE_SECONDS => 31,  # a node that was refused a loan, or whose provider fails, asks again within this time
    PHANTOM_SECONDS => 31, # a machine that the provider may still launch counts for this time
    LONG => 9_000_000_000_000,
};

# The steps of a loan, in their order; each leads up to its middle.
my @steps = (
    wanted => \&reach_wanted, 'held before the launch' => \&reach_held, 'held by a running machine' => \&reach_running,
    recalled => \&reach_recalled, returning => \&reach_returning,
);

# Starts the pair.
sub start ($class) {
    my $pair = Hashmill::Pair->start(fleet => 1, fleet_program => "$FindBin::Bin/../tools/idle-worker", WORKERS_MAX => LIMIT,
        WAIT_LAUNCH_SECONDS => 0, BOOT_SECONDS => 1, LOAN_SECONDS => LOAN_SECONDS,
        COPY => 'none', PROCESSES_PUBLIC => 1);
    my ($borrower, $lender) = $pair->nodes;
    return bless { pair => $pair, borrower => $borrower, lender => $lender, items => {}, most => 0 }, $class;
}

# --- what the nodes have to do --------------------------------------------------------------------

# Gives a node exactly $count items; cancels those that nobody holds first.
sub set_items ($self, $node, $count) {
    my $ids = $self->{items}{$node} //= [];
    push @$ids, $node->new_item(uuid(), LONG) while @$ids < $count;
    my %held = map { $_ => $node->state_of($_) eq 'leased' } @$ids;
    my @in_order = sort { $held{$b} <=> $held{$a} } @$ids;
    $node->call('DELETE', "/items/$_") for splice @in_order, $count;
    $self->{items}{$node} = \@in_order;
    return;
}

# Waits until $count machines of a node count, all of them at work, and nobody else works for it.
sub wait_machines ($self, $node, $count, $seconds = 30) {
    return wait_until($seconds, sub {
        $self->watch;
        return $node->counted == $count && $node->fleet_pids == $count;
    });
}

# Notes the most workers seen on both sides; not too often, as others need the computer, too.
sub watch ($self) {
    sleep 0.1;
    my $all = map { $_->fleet_pids } $self->{pair}->nodes;
    $self->{most} = $all if $all > $self->{most};
    return;
}

sub wait_loans ($self, $node, @loans) {
    return wait_until(30, sub { $self->watch; "@{[$node->loans]}" eq "@loans" });
}

# Waits for the state in which a case begins: the borrower has as many machines as it may and needs no more, the lender
# has none, and the borrower was not refused anything lately.
sub calm ($self) {
    my ($borrower, $lender) = $self->@{qw(borrower lender)};
    $self->set_items($lender, 0);
    $self->set_items($borrower, LIMIT);
    $borrower->pass_seconds(PAUSE_SECONDS);
    my $calm = $self->wait_machines($borrower, LIMIT) && $self->wait_machines($lender, 0)
        && $self->wait_loans($borrower) && $self->wait_loans($lender)
        && wait_until(30, sub { my $items = $borrower->stats->{items}; $items->{waiting} == 0 && $items->{leased} == LIMIT });
    $borrower->pass_seconds(PAUSE_SECONDS); # once more: it may have been refused meanwhile
    $calm &&= $self->{pair}->wait_together;
    $self->tell if !$calm;
    return $calm;
}

sub tell ($self) {
    for my $node ($self->{pair}->nodes) {
        next if !$node->{server}->alive;
        diag 'node ', $node->{settings}{NODE}, ': ', $node->counted, ' machines count, ', scalar $node->fleet_pids,
            ' workers; loans: ', join(', ', $node->loans) || 'none';
        diag "  $_" for reverse grep { defined } +($node->decisions)[0 .. 9];
    }
    return 0;
}

# Gives the borrower work for one machine more than it may have.
sub press ($self) { return $self->set_items($self->{borrower}, LIMIT + 1) }

# Stops the lender's processes that answer other nodes, and continues them.
sub hold_lender ($self)    { return kill STOP => ($self->{held} = [$self->{lender}->children("worker")])->@* }
sub release_lender ($self) { return kill 'CONT', (delete $self->{held} // [])->@* }

# --- the middle of each step ----------------------------------------------------------------------

# The lender has not answered yet. Tries once more if the borrower takes it for dead before it wants a loan.
sub reach_wanted ($self) {
    for my $try (1 .. 5) {
        $self->hold_lender;
        $self->press;
        wait_until(10, sub { $self->{borrower}->loans || $self->{borrower}->peer_stats->{away} });
        return 1 if "@{[$self->{borrower}->loans]}" eq 'taken wanted';
        $self->release_lender;
        $self->calm or return 0;
    }
    return 0;
}

# There is a loan, and no machine yet.
sub reach_held ($self) {
    $self->{borrower}->provider_mode('launch three');
    $self->press;
    return $self->wait_loans($self->{borrower}, 'taken held') && $self->wait_loans($self->{lender}, 'given held')
        && wait_until(30, sub { $self->{borrower}->counted == LIMIT + 1 });
}

sub reach_running ($self) {
    $self->press;
    return $self->wait_machines($self->{borrower}, LIMIT + 1) && "@{[$self->{lender}->loans]}" eq 'given held';
}

# The lender needs its machine itself, and the borrower cannot end it.
sub reach_recalled ($self) {
    $self->reach_running or return 0;
    $self->{borrower}->provider_mode('terminate fail');
    $self->set_items($self->{lender}, LIMIT + 1);
    return $self->wait_loans($self->{lender}, 'given recalled') && $self->wait_loans($self->{borrower}, 'taken recalled');
}

# The borrower has returned it, and the lender has not heard of that.
sub reach_returning ($self) {
    $self->reach_running or return 0;
    $self->hold_lender;
    $self->set_items($self->{borrower}, LIMIT);
    return $self->wait_loans($self->{borrower}) && "@{[$self->{lender}->loans]}" eq 'given held';
}

# --- the cases ------------------------------------------------------------------------------------

# Causes a mishap in every step. $happen begins it; then the nodes in $survivors must come back to their limit. $over
# ends it; then both must.
sub run ($self, $mishap, $happen, $survivors, $over) {
    my @todo = @steps;
    while (my ($step, $reach) = splice @todo, 0, 2) {
        next if $ENV{HASHMILL_STEP} && $step !~ /$ENV{HASHMILL_STEP}/;
        subtest "$mishap while a loan is $step" => sub {
            my $start = time;
            ok $self->calm, 'nobody needs anything' or return;
            note sprintf 'calm after %.1f s', time - $start;
            ok $reach->($self), "a loan is $step" or return $self->tell;
            note sprintf 'reached after %.1f s', time - $start;
            my $begin = time;
            $happen->($self);
            $self->release_lender;
            $self->comes_back($_, $begin, $step) for @$survivors;
            $begin = time;
            $over->($self);
            $_->provider_mode('') for $self->{pair}->nodes;
            $self->comes_back($_, $begin, $step) for $self->{pair}->nodes;
            ok wait_until(30, sub { !grep { !/wanted/ } map { $_->loans } $self->{pair}->nodes }), 'there is no loan any more'
                or $self->tell;
        };
    }
    return;
}

# Checks that a node with enough to do reaches its own limit in time, and does not exceed it.
sub comes_back ($self, $node, $begin, $step) {
    my $name = $node == $self->{borrower} ? 'the borrower' : 'the lender';
    $self->set_items($node, LIMIT + 1);
    $self->give_up_phantom if $node == $self->{borrower} && $step =~ /before/;
    my $back = $self->wait_machines($node, LIMIT, LOAN_SECONDS + SLACK_SECONDS);
    ok $back, "$name has as many machines as before" or return $self->tell;
    note sprintf 'after %.1f s', time - $begin;
    cmp_ok time - $begin, '<', LOAN_SECONDS + SLACK_SECONDS, 'within the time of a loan and a little more';
    return;
}

# Skips the half minute for which a machine whose launch has failed still counts after it was given up: it may still
# come.
sub give_up_phantom ($self) {
    my $borrower = $self->{borrower};
    wait_until(LOAN_SECONDS + SLACK_SECONDS, sub {
        $borrower->counted == LIMIT || grep { $_->{id} eq '' } $borrower->machines('leaving');
    });
    return if $borrower->counted == LIMIT;
    my $lists = $borrower->provider_calls('list');
    wait_until(30, sub { $borrower->provider_calls('list') > $lists + 1 }); # a list that began after that is over
    $borrower->pass_seconds(PHANTOM_SECONDS);
    return;
}

1;
