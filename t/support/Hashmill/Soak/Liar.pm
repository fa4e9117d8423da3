package Hashmill::Soak::Liar;

# A worker with a valid token that lies in ways that a server can detect: the server must take no such report. Its
# results for items that it holds are right: no node alone can detect a wrong value of those.

use v5.36;
use parent 'Exporter';
use JSON::PP ();
use Time::HiRes qw(sleep);

use Hashmill::Util;

our @EXPORT = qw(lie);

# A lease of the soak lapses within LAPSED seconds.
use constant { LAPSED => 5.5, MOST_REMAINING => 3000, WANTED => 4 };

sub random_chain { return unpack 'H*', random_body(64) }

# What a report says of an item; changed as given.
sub claim ($item, %changed) { return { $item->%{qw(id lease chain remaining)}, %changed } }

sub right ($item) { return claim($item, chain => advance($item->{chain}, $item->{remaining}), remaining => 0) }

# Tells a lie of this kind at a node.
sub lie ($shared, $name, $node, $kind) {
    my $self = bless { history => $shared->writer($name), node => $node, kind => $kind }, __PACKAGE__;
    return $self->large if $kind eq 'large';
    my @items = $self->items;
    my @short = grep { $_->{remaining} <= MOST_REMAINING } @items;
    if ($kind eq 'ids') {
        $self->report([map { claim($_, id => uuid(), remaining => 0) } @items], all => 1);
        $self->report([map { claim($_, lease => uuid(), chain => random_chain(), remaining => 0) } @items], all => 1);
    }
    elsif ($kind eq 'half') {
        my $half = @short / 2;
        $self->report([map { right($_) } splice @short, 0, $half]) if $half >= 1;
        return; # and is not heard of again
    }
    elsif ($kind eq 'again') {
        $self->report([map { right($_) } @short]) for 1 .. 3;
    }
    elsif ($kind eq 'late') {
        sleep LAPSED;
        $self->report([map { right($_) } @short]);
    }
    elsif ($kind eq 'digest') {
        $self->report([map { claim($_, chain => random_chain()) } @items], all => 1);
        $self->report([map { claim($_, chain => substr(random_chain(), 2), remaining => 0) } @items], allowed => [400]);
        $self->report([map { claim($_, chain => 'z' x 128, remaining => 0) } @items], allowed => [400]);
    }
    elsif ($kind eq 'step') {
        $self->report([map { claim($_, chain => random_chain(), remaining => $_->{remaining} + 1) } @items], all => 1);
        $self->report([map { claim($_, remaining => -1) } @items], allowed => [400]);
    }
    $self->report([map { claim($_, release => JSON::PP::true) } @items]);
    return;
}

# Some items to lie about, each with its lease. Other workers want items as well, so this waits for some.
sub items ($self) {
    my @items;
    for my $try (1 .. 10) {
        my $reply = $self->{node}->lease(items => 4, iterations => 20_000, wait => 2, worker => $self->worker);
        my $grant = $reply->status == 200 && eval { $reply->json } || next;
        push @items, map { { %$_, lease => $grant->{lease} } } $grant->{items}->@*;
        return @items if @items >= WANTED;
    }
    return @items;
}

sub worker ($self) { return { name => "liar $self->{kind} $$", cores => 1, kernel => 'lies', rate => 1000 } }

# Sends one report; all => 1: no item of it may be taken; allowed: statuses besides those of a node in trouble.
sub report ($self, $items, %right) {
    return if !@$items;
    return $self->post({ protocol => 1, worker => $self->worker, items => $items },
        false => $right{all} ? [map { $_->{id} } @$items] : [], allowed => $right{allowed} // [200]);
}

sub post ($self, $content, %right) {
    my %entry = (op => 'lie', lie => $self->{kind}, node => $self->{node}->number, %right);
    return $self->{history}->ask(\%entry, sub { $self->{node}->worker_call('/results', $content) },
        sub ($reply) { my $json = $reply->json; return map { $_ => $json->{$_} } qw(taken lost) });
}

# Reports that are too large, or no reports at all.
sub large ($self) {
    my $item = { id => uuid(), lease => uuid(), chain => random_chain(), remaining => 0 };
    $self->post('{"protocol":1,"items":[' . ' ' x 600_000 . ']}', false => [], allowed => [413]);
    $self->report([($item) x 513], allowed => [400]);
    $self->post('[' x 100_000, false => [], allowed => [400]);
    $self->post('{"protocol":1,"worker":', false => [], allowed => [400]);
    return;
}

1;
