package Hashmill::Soak::Judge;

# Says what is wrong with a history (Hashmill::Soak::History). What is promised, with two nodes that keep replicas of
# each other's databases:
#
#   - what was acknowledged is there in the end, at the node that its id names and at no other;
#   - every value is the one that Digest::SHA comes to, which hashmill has no part in;
#   - an item is handed out under one Idempotency-Key at most, under which the same batch comes again and again;
#     one that was pulled was handed to somebody; one that was cancelled, to nobody;
#   - an item that is looked at where it was put goes forward only;
#   - one Idempotency-Key of an enqueue has one id;
#   - a lie is refused, and all that is asked is answered as it should be, or with a status that says: try again;
#   - what /stats counts is what a count over the rows gives.
#
# A node that is lost with its disk gets everything from its replica. With COPY=async the replica lacks what was
# acknowledged in the last moment: items and pulls of that moment are not judged.

use v5.36;
use Digest::SHA qw(sha512_hex);

use Hashmill::Soak::Clients qw(asked_body);
use Hashmill::Util;

# Longer chains than this are of items that must be cancelled.
use constant { COMPUTED_MOST => 50_000_000, EACH_MOST => 20, GRACE => 1, MOMENT => 2 };

# What a node may answer beside success: not now, no room, no answer at all.
my %trouble = map { $_ => 1 } 503, 507, 599;
my %wanted = (enqueue => [201], pull => [200], look => [200], cancel => [204, 409], stats => [200]);
# How far an item has come.
my %stage = (waiting => 0, leased => 0, done => 1, cancelled => 2, pulled => 3);

sub new ($class) {
    return bless { asked => {}, attempts => {}, keys => {}, pulls => {}, handed => {}, values => {}, looks => {}, cancels => {},
        rows => {}, counters => {}, odd => [], disks => [], losses => [], changes => [], forgiven => {}, wrong => {}, operations => 0, links => 0 }, $class;
}

sub wrong ($self, $what, $which) { push $self->{wrong}{$what}->@*, $which; return }

# Takes one entry of a history.
sub add ($self, $entry) {
    my $op = $entry->{op};
    if ($wanted{$op} || $op eq 'lie') {
        $self->{operations}++;
        $self->wrong('an answer that cannot be read', "$op of $entry->{by}: $entry->{unreadable}") if defined $entry->{unreadable};
    }
    if (my $right = $wanted{$op}) {
        my $status = $entry->{status};
        if (!grep { $_ == $status } @$right) {
            push $self->{odd}->@*, $entry if !$trouble{$status};
            $self->{attempts}{ $entry->{key} } = $entry->{n} if $op eq 'enqueue';
            return;
        }
    }
    my $code = $self->can("add_$op");
    $self->$code($entry) if $code;
    return;
}

sub add_enqueue ($self, $entry) {
    my ($key, $id) = $entry->@{qw(key id)};
    push $self->{changes}->@*, [$entry->@{qw(node end)}, $id, $key];
    $self->{attempts}{$key} = $entry->{n};
    my $known = $self->{keys}{$key} //= $id;
    push $self->{twins}->@*, [$key, $known, $id] if $known ne $id;
    my $asked = $self->{asked}{$id} //= { key => $key, n => $entry->{n}, node => $entry->{node}, digest => sha512_hex(asked_body($key)) };
    $self->wrong('an id with two keys', "$id: $asked->{key} and $key") if $asked->{key} ne $key;
    $self->wrong("another body's digest", "$id $key") if $asked->{digest} ne $entry->{digest};
    return;
}

sub add_pull ($self, $entry) {
    push $self->{pulls}{ $entry->{key} }->@*, $entry;
    push $self->{changes}->@*, [$entry->@{qw(node end)}, $entry->{key}, map { $_->[0] } $entry->{items}->@*];
    return;
}

sub add_look ($self, $entry) {
    $self->value($entry->{id}, $entry->@{qw(value iterations)}, "look of $entry->{by}") if defined $entry->{value};
    push $self->{looks}{ $entry->{id} }->@*, $entry if $entry->{node} == $entry->{home};
    return;
}

sub add_cancel ($self, $entry) {
    my $cancel = $self->{cancels}{ $entry->{id} } //= {};
    $cancel->{ $entry->{status} } = 1;
    push $self->{changes}->@*, [$entry->@{qw(node end id)}];
    return;
}

sub add_lie ($self, $entry) {
    my $status = $entry->{status};
    return if $trouble{$status};
    return $self->wrong('a lie with another answer', "$entry->{lie} of $entry->{by}: $status " . ($entry->{said} // ''))
        if !grep { $_ == $status } $entry->{allowed}->@*;
    my %taken = map { $_ => 1 } ($entry->{taken} // [])->@*;
    my %lost = map { $_ => 1 } ($entry->{lost} // [])->@*;
    for my $id ($entry->{false}->@*) {
        $self->wrong('a lie that was taken', "$entry->{lie} of $entry->{by}: $id") if $taken{$id};
        $self->wrong('a lie that was not refused', "$entry->{lie} of $entry->{by}: $id") if !$taken{$id} && !$lost{$id};
    }
    return;
}

sub add_stats ($self, $entry) {
    $self->wrong('a counter below nothing', "node $entry->{node}: $_") for grep { $entry->{items}{$_} < 0 } sort keys $entry->{items}->%*;
    return;
}

sub add_gave_up ($self, $entry) { return $self->wrong('a request that was never answered', "$entry->{what} of $entry->{by}") }

sub add_stopped ($self, $entry) {
    $self->wrong('a process that ended by itself', "$entry->{what} $entry->{why} at $entry->{end}")
        if $entry->{why} !~ /ended by signal 9$|(?:started again|booted again|recovered)$/;
    return;
}

# A disk that cannot be read for some time; until then answers may be 500.
sub add_fault ($self, $entry) {
    my $fault = $entry->{fault};
    push $self->{disks}->@*, [$fault->{node}, $entry->{begin}, $entry->{end} + $fault->{seconds} + GRACE] if $fault->{kind} eq 'disk errors';
    return;
}

sub add_lost ($self, $entry) { push $self->{losses}->@*, $entry if $entry->{copy} ne 'sync'; return }

sub add_complaint ($self, $entry) { return $self->wrong($entry->{what}, $entry->{which}) }

sub add_row ($self, $entry) { $self->{rows}{ $entry->{node} }{ $entry->{id} } = $entry; return }

sub add_end ($self, $entry)  { $self->{counters}{ $entry->{node} }{ $entry->{moment} }{shown} = $entry; return }
sub add_rows ($self, $entry) { $self->{counters}{ $entry->{node} }{ $entry->{moment} }{counted} = $entry; return }

# A value that somebody was told.
sub value ($self, $id, $value, $iterations, $where) {
    $self->{values}{$id}{"$value $iterations"} //= $where;
    return;
}

# --- the verdict ----------------------------------------------------------------------------------

# Everything that is wrong: { what => [which, ...] }.
sub verdict ($self) {
    $self->forgive;
    $self->judge_twins;
    $self->judge_answers;
    $self->judge_pulls;
    $self->judge_looks;
    $self->judge_values;
    $self->judge_items;
    $self->judge_strangers;
    $self->judge_counters;
    return $self->{wrong};
}

# Forgives what was acknowledged just before a node was lost, as its replica may lack it: ids and keys.
sub forgive ($self) {
    for my $change ($self->{changes}->@*) {
        my ($node, $end, @names) = @$change;
        next if !grep { $_->{node} == $node && $end <= $_->{end} && $end > $_->{end} - MOMENT } $self->{losses}->@*;
        $self->{forgiven}{$_} = 1 for @names;
    }
    return;
}

sub judge_twins ($self) {
    for my $twin (($self->{twins} // [])->@*) {
        my ($key, $known, $id) = @$twin;
        $self->wrong('a key with two ids', "$key: $known, then $id") if !$self->{forgiven}{$key};
    }
    return;
}

sub judge_answers ($self) {
    for my $entry ($self->{odd}->@*) {
        next if $entry->{status} == 500 && grep {
            $entry->{node} == $_->[0] && $entry->{end} >= $_->[1] && $entry->{begin} <= $_->[2] } $self->{disks}->@*;
        $self->wrong('an answer that should not be',
            "$entry->{op} of $entry->{by} was answered $entry->{status} " . ($entry->{said} // '') . " at $entry->{end}");
    }
    return;
}

sub by_begin (@entries) { return sort { $a->{begin} <=> $b->{begin} } @entries }

# Notes who has these items.
sub hand_out ($self, $key, @items) {
    for my $item (@items) {
        $self->{handed}{ $item->[0] } = $key;
        $self->value(@$item, "pull $key");
    }
    return;
}

sub judge_pulls ($self) {
    for my $key (sort keys $self->{pulls}->%*) {
        my $batch;
        if ($self->{forgiven}{$key}) { # it may be another pull by now
            $self->hand_out($key, $_->{items}->@*) for $self->{pulls}{$key}->@*;
            next;
        }
        for my $pull (by_begin($self->{pulls}{$key}->@*)) {
            my @items = $pull->{items}->@*;
            my $came = join "\n", map { join ' ', @$_ } @items;
            $self->wrong('a batch that changed', "$key, at node $pull->{node} at $pull->{end}") if defined $batch && $came ne $batch;
            next if defined $batch || !@items;
            $batch = $came;
            $self->wrong('a batch with more than was asked for', $key) if @items > $pull->{top};
            for my $item (@items) {
                my $before = $self->{handed}{ $item->[0] };
                $self->wrong('an item handed out twice', "$item->[0]: $before and $key")
                    if defined $before && !$self->{forgiven}{ $item->[0] } && !$self->{forgiven}{$before};
                $self->hand_out($key, $item);
            }
        }
    }
    return;
}

sub judge_looks ($self) {
    for my $id (grep { !$self->{forgiven}{$_} } sort keys $self->{looks}->%*) {
        my ($stage, $remaining) = (0, undef);
        for my $look (by_begin($self->{looks}{$id}->@*)) {
            my ($now, $left) = ($stage{ $look->{state} }, $look->{remaining});
            $self->wrong('an item that went back', "$id is $look->{state} at $look->{end}") if $now < $stage;
            $self->wrong('progress that went up', "$id: $remaining, then $left at $look->{end}") if defined $remaining && $left > $remaining;
            ($stage, $remaining) = ($now, $left);
        }
    }
    return;
}

sub value_of_item ($self, $asked) {
    return $asked->{value} if defined $asked->{value};
    $self->{links} += $asked->{n};
    return $asked->{value} = advance($asked->{digest}, $asked->{n} - 1);
}

sub judge_values ($self) {
    for my $id (sort keys $self->{values}->%*) {
        my $asked = $self->{asked}{$id} // next; # see judge_strangers
        if ($asked->{n} > COMPUTED_MOST) { $self->wrong('a value that nobody can have', $id); next }
        my $right = $self->value_of_item($asked) . " $asked->{n}";
        for my $told (sort keys $self->{values}{$id}->%*) {
            $self->wrong('a wrong value', "$id by $self->{values}{$id}{$told}: $told") if $told ne $right;
        }
    }
    return;
}

# What became of everything that was acknowledged.
sub judge_items ($self) {
    my @nodes = sort keys $self->{rows}->%*;
    for my $id (grep { !$self->{forgiven}{$_} } sort keys $self->{asked}->%*) {
        my $asked = $self->{asked}{$id};
        my @there = grep { $self->{rows}{$_}{$id} } @nodes;
        $self->wrong('an acknowledged item that is lost', "$id ($asked->{key}) is not at node $asked->{node}")
            if !grep { $_ == $asked->{node} } @there;
        for my $node (@there) {
            my $row = $self->{rows}{$node}{$id};
            $self->wrong('an item at another node than its own', "$id ($asked->{key}) is at node $node") if $node != $asked->{node};
            $self->judge_state($id, $asked, $row->{state});
            $self->judge_row($asked, $row);
        }
    }
    return;
}

sub judge_state ($self, $id, $asked, $state) {
    my $key = $self->{handed}{$id};
    my $cancels = $self->{cancels}{$id} // {};
    if ($state eq 'pulled') {
        $self->wrong('an item lost between two pulls', "$id ($asked->{key})") if !defined $key;
        $self->wrong('a cancelled item that was pulled', "$id ($asked->{key})") if $cancels->{204};
    }
    elsif ($state eq 'cancelled') {
        $self->wrong('a pulled item that is cancelled', "$id by $key") if defined $key;
        $self->wrong('an item that nobody cancelled', "$id ($asked->{key})") if !$self->{cancels}{$id};
    }
    else {
        $self->wrong('an item that is not finished', "$id ($asked->{key}) is $state");
    }
    return;
}

sub judge_row ($self, $asked, $row) {
    $self->wrong("another item's row", "$row->{id} at node $row->{node}")
        if $row->{digest} ne $asked->{digest} || $row->{iterations} != $asked->{n};
    $self->wrong('a wrong value in a row', "$row->{id} at node $row->{node}")
        if $row->{state} =~ /^(?:done|pulled)$/ && $asked->{n} <= COMPUTED_MOST && $row->{chain} ne $self->value_of_item($asked);
    return;
}

# Items that were never acknowledged: each must come from an enqueue that got no answer.
sub judge_strangers ($self) {
    my %unanswered = map { sha512_hex(asked_body($_)) . " $self->{attempts}{$_}" => $_ }
        grep { !$self->{keys}{$_} } keys $self->{attempts}->%*;
    my %seen;
    for my $row (map { values %$_ } values $self->{rows}->%*) {
        next if $self->{asked}{ $row->{id} } || $seen{ $row->{id} }++;
        $self->wrong('an item that nobody asked for', $row->{id}) if !$unanswered{"$row->{digest} $row->{iterations}"};
    }
    for my $id (sort keys $self->{handed}->%*) {
        $self->wrong('an item that nobody asked for', "$id in $self->{handed}{$id}") if !$self->{asked}{$id} && !$seen{$id};
    }
    return;
}

sub judge_counters ($self) {
    for my $node (sort keys $self->{counters}->%*) {
        for my $moment (sort keys $self->{counters}{$node}->%*) {
            my ($shown, $counted) = map { flat($_) } $self->{counters}{$node}{$moment}->@{qw(shown counted)};
            my @off = grep { ($shown->{$_} // '') ne ($counted->{$_} // '') } sort keys %{ { %$shown, %$counted } };
            $self->wrong('a counter that is off', "node $node, $moment: $_ is " . ($shown->{$_} // 'not shown') . ', the rows have '
                . ($counted->{$_} // 'none')) for @off;
        }
    }
    return;
}

# The numbers of an entry by name.
sub flat ($entry) {
    return { (map { my $group = $_; map { ("$group $_" => $entry->{$group}{$_}) } keys(($entry->{$group} // {})->%*) } qw(items)),
        map { ($_ => $entry->{$_}) } grep { defined $entry->{$_} } qw(remaining) };
}

# How many requests were judged, items were completed, and links were computed to judge them.
sub figures ($self) {
    return { operations => $self->{operations}, acknowledged => scalar keys $self->{asked}->%*,
        completed => scalar keys $self->{handed}->%*, links => $self->{links} };
}

# The verdict in lines, not too many of each.
sub lines ($self) {
    my @lines;
    for my $what (sort keys $self->{wrong}->%*) {
        my @which = $self->{wrong}{$what}->@*;
        push @lines, scalar(@which) . " x $what";
        push @lines, map { "    $_" } @which > EACH_MOST ? (@which[0 .. EACH_MOST - 1], '...') : @which;
    }
    return @lines;
}

1;
