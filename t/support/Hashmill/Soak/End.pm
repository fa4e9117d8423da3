package Hashmill::Soak::End;

# The end of a soak: notes for the judge what the nodes say and what their rows say, once everything is at rest.

use v5.36;

use Hashmill::Soak::Clients;
use Hashmill::Util;

use constant { PATIENCE => 60, AGAIN => 30 };

my @states = qw(waiting leased done pulled cancelled);

sub new ($class, $history) { return bless { history => $history }, $class }

# Something that is wrong whatever the judge says.
sub complain ($self, $what, $which) { return $self->{history}->note(op => 'complaint', what => $what, which => $which) }

sub collect ($self, $world) {
    my @nodes = $world->nodes;
    $self->complain('nodes that do not hear each other', 'in the end') if !$world->wait_told(PATIENCE);
    $self->pull_rest($world);
    $self->complain('nodes that have not told each other all', 'in the end') if !$world->wait_told(PATIENCE);
    if (my $which = $world->wait_equal(PATIENCE)) { $self->complain('a replica that differs', $which) }
    $self->pull_again($world);
    $self->count($_, 'at rest') for @nodes;
    $self->rows($_) for @nodes;
    for my $node (@nodes) {
        $self->complain('a server that does not drain', 'node ' . $node->number) if !$node->stop_server;
        my ($said) = map { $_->[0] } $node->sql('PRAGMA integrity_check');
        $self->complain('a damaged database', 'node ' . $node->number . ": $said") if $said ne 'ok';
        wait_until(PATIENCE, sub { $node->go_on; $node->{server}->alive });
    }
    $self->complain('nodes that do not hear each other', 'started again') if !$world->wait_told(PATIENCE);
    $self->count($_, 'started again') for @nodes;
    $self->complain('an end out of order', $_) for $world->end;
    $self->complain('a line in the logs', $_) for $world->complaints;
    $_->keep_logs($self->{history}{dir}) for @nodes;
    return;
}

# Pulls what is left, at both nodes in turn.
sub pull_rest ($self, $world) {
    my $empty = 0;
    for my $number (1 .. 1000) {
        my @came = map { my $reply = pull_until($self->{history}, $_, "rest-$number-" . $_->number, 100, 'latest');
            $reply ? $reply->json->@* : () } $world->nodes;
        $empty = @came ? 0 : $empty + 1;
        return if $empty == 3;
    }
    return;
}

# The first and the last pulls, made again at the node that knows their keys.
sub pull_again ($self, $world) {
    my (@pulls, @overtaken);
    Hashmill::Soak::History::each_entry($self->{history}{dir}, sub ($entry) {
        return if $entry->{op} ne 'pull' || $entry->{status} != 200;
        push @pulls, $entry if $entry->{items}->@*;
        push @overtaken, $entry if $entry->{by} =~ /^reset-/ && !$entry->{items}->@*;
    });
    # A request that was broken off may arrive after its repetition. If the repetition brought nothing, the late request
    # has the batch.
    pull_until($self->{history}, $world->node($_->{node}), $_->@{qw(key top order)}) for @overtaken;
    my $last = $#pulls < AGAIN ? $#pulls : AGAIN;
    for my $pull (@pulls[0 .. $last], reverse @pulls[$#pulls - $last .. $#pulls]) {
        pull_until($self->{history}, $world->node($pull->{node}), $pull->@{qw(key top order)});
    }
    return;
}

# Notes the counts of /stats, and a count over the rows.
sub count ($self, $node, $moment) {
    my $stats = wait_until(PATIENCE, sub { eval { $node->stats } });
    return $self->complain('no /stats', 'node ' . $node->number . " $moment") if !$stats;
    my %which = (node => $node->number, moment => $moment);
    $self->{history}->note(op => 'end', %which, $stats->%{qw(items remaining)});
    my %count = map { $_ => 0 } @states;
    my $left = 0;
    for my $row ($node->sql('SELECT state, count(*), sum(remaining) FROM item GROUP BY 1')) {
        my ($state, $number, $remaining) = @$row;
        $count{ $states[$state] } += $number;
        $left += $remaining if $state < 2;
    }
    $self->{history}->note(op => 'rows', %which, items => \%count, remaining => $left);
    return;
}

sub rows ($self, $node) {
    for my $row ($node->sql('SELECT lower(hex(id)), state, iterations, remaining, lower(hex(chain)), lower(hex(digest)) FROM item')) {
        my ($id, $state, $iterations, $remaining, $chain, $digest) = @$row;
        $self->{history}->note(op => 'row', node => $node->number, id => join('-', unpack 'A8 A4 A4 A4 A12', $id),
            state => $states[$state], iterations => $iterations + 0, remaining => $remaining + 0, chain => $chain, digest => $digest);
    }
    return;
}

1;
