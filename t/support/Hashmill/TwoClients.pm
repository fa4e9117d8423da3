package Hashmill::TwoClients;

# Two clients that do 10,000 random things at once, some by the ids and keys of each other, and a model that judges what
# they were answered: neither ever sees an id, a value, a batch or a count of the other's.
#
#     my $wrong = two_clients(nodes => [...], key => { ann => ..., ben => ... }, seed => 1);   # sentences; none is right

use v5.36;
use parent 'Exporter';
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();

use Hashmill::Reply;
use Hashmill::Util;

our @EXPORT = qw(two_clients);

use constant { PROCESSES => 2, OPERATIONS => 2500, KEYS => 40 };

my $json = JSON::PP->new->canonical;

# What a process keeps.
sub new_process ($class, %fields) {
    my $self = bless { %fields, http => Hashmill::Reply::client(), ids => [], others => [] }, $class;
    open $self->{log}, '>>', "$self->{dir}/$self->{name}.$self->{number}" or die "log: $!";
    $self->{log}->autoflush;
    srand $self->{seed};
    return $self;
}

sub call ($self, $method, $path, %options) {
    my $node = $self->{nodes}[rand $self->{nodes}->@*];
    my $headers = { ($options{headers} // {})->%*, Authorization => "Bearer $self->{key}" };
    return ($node, Hashmill::Reply->new($self->{http}->request($method, $node->url . $path, { %options, headers => $headers })));
}

sub note ($self, %entry) {
    print { $self->{log} } $json->encode(\%entry), "\n";
    return;
}

# An id of its own, or one of the other's, as far as their logs are written; undef without any.
sub draw ($self, $own) {
    my $ids = $own ? $self->{ids} : $self->{others};
    if (!$own && rand() < 0.1) {
        my ($other) = grep { $_ ne $self->{name} } qw(ann ben);
        @$ids = map { /"op":"put".*"id":"([^"]+)"/ || /"id":"([^"]+)".*"op":"put"/ ? $1 : () } map { split /\n/, slurp($_) }
            glob "$self->{dir}/$other.*";
    }
    return $ids->[rand @$ids];
}

# Keys are drawn from the same few by both.
sub put ($self) {
    my $key = rand() < 0.3 ? 'key ' . int rand KEYS : undef;
    my $body = defined $key ? "$self->{name} $key" : "$self->{name} " . uuid();
    my $iterations = defined $key || rand() < 0.7 ? 1 : 1000;
    my ($node, $reply) = $self->call('PUT', "/enqueue?iterations=$iterations", content => $body,
        headers => { defined $key ? ('Idempotency-Key' => $key =~ tr/ /-/r) : () });
    my $id = $reply->status == 201 ? $reply->json->{id} : undef;
    push $self->{ids}->@*, $id if $id;
    return $self->note(op => 'put', status => $reply->status, id => $id, key => $key && ($node->{settings}{NODE} // 0) . " $key", body => $body);
}

sub pull ($self) {
    my $key = rand() < 0.3 ? 'pull-' . int rand KEYS : undef;
    my $wait = rand() < 0.05 ? '&wait=1' : '';
    my ($node, $reply) = $self->call('POST', "/pullCompleted?top=3$wait", content => '',
        headers => { defined $key ? ('Idempotency-Key' => $key) : () });
    my $items = $reply->status == 200 ? [map { [$_->@{qw(id value)}] } $reply->json->@*] : undef;
    return $self->note(op => 'pull', status => $reply->status, items => $items, key => $key && ($node->{settings}{NODE} // 0) . " $key");
}

sub look ($self, $own) {
    my $id = $self->draw($own) or return;
    my (undef, $reply) = $self->call('GET', "/items/$id" . (rand() < 0.1 ? '?wait=1' : ''));
    return $self->note(op => 'look', own => $own, status => $reply->status, id => $id);
}

sub cancel ($self, $own) {
    my $id = $self->draw($own) or return;
    my (undef, $reply) = $self->call('DELETE', "/items/$id");
    return $self->note(op => 'cancel', own => $own, status => $reply->status, id => $id);
}

# Behind an item or from the newest on.
sub list ($self, $own) {
    my $after = $own && rand() < 0.5 ? undef : $self->draw($own);
    return if !$own && !defined $after;
    my $state = rand() < 0.3 ? '&state=' . (qw(waiting done pulled cancelled))[rand 4] : '';
    my (undef, $reply) = $self->call('GET', '/items?limit=' . (1 + int rand 50) . $state . (defined $after ? "&after=$after" : ''));
    my $ids = $reply->status == 200 ? [map { $_->{id} } $reply->json->@*] : undef;
    return $self->note(op => 'list', own => $own, status => $reply->status, ids => $ids);
}

# All that waits at one node, if it is as much as was drawn.
sub cancel_all ($self) {
    my (undef, $reply) = $self->call('DELETE', '/items?state=waiting&confirm=' . int rand 20);
    return $self->note(op => 'cancel_all', status => $reply->status);
}

sub stats ($self) {
    my ($node, $reply) = $self->call('GET', '/stats');
    return $self->note(op => 'stats', status => $reply->status, text => $reply->content);
}

sub run ($self) {
    for (1 .. OPERATIONS) {
        my $drawn = rand;
        if    ($drawn < 0.35) { $self->put }
        elsif ($drawn < 0.60) { $self->pull }
        elsif ($drawn < 0.85) { $self->look($drawn < 0.70 ? 1 : 0) }
        elsif ($drawn < 0.90) { $self->cancel($drawn < 0.87 ? 1 : 0) }
        elsif ($drawn < 0.94) { $self->list($drawn < 0.92 ? 1 : 0) }
        elsif ($drawn < 0.95) { $self->cancel_all }
        else                  { $self->stats }
    }
    return;
}

# What one client was answered, judged by what it did.
sub judge ($name, @entries) {
    my (%mine, %body, %id_of, %batch_of, %handed, @wrong);
    for my $put (grep { $_->{op} eq 'put' && $_->{id} } @entries) {
        $mine{ $put->{id} } = 1;
        $body{ $put->{id} } //= $put->{body};
        push @wrong, "$name: two bodies have the id $put->{id}" if $body{ $put->{id} } ne $put->{body};
        next if !$put->{key};
        $id_of{ $put->{key} } //= $put->{id};
        push @wrong, "$name: the key $put->{key} has two ids" if $id_of{ $put->{key} } ne $put->{id};
    }
    for my $entry (@entries) {
        my $op = $entry->{op};
        my $own = $entry->{own} // 1;
        push @wrong, "$name: $op is answered $entry->{status}" if $own && $entry->{status} !~ /^20[014]$/ && ($op !~ /^cancel/ || $entry->{status} != 409);
        push @wrong, "$name: $op of another's item is answered $entry->{status}" if !$own && $entry->{status} != 404;
        for my $item (($entry->{items} // [])->@*) {
            my ($id, $value) = @$item;
            push @wrong, "$name: pulls $id, which is not its own" if !$mine{$id};
            push @wrong, "$name: the value of $id is wrong" if defined $body{$id} && $value ne sha512_hex($body{$id});
        }
        push @wrong, map { "$name: $_ is listed, which is not its own" } grep { !$mine{$_} } ($entry->{ids} // [])->@*;
        next if $op ne 'pull' || !($entry->{items} // [])->@*;
        my $batch = join ' ', map { $_->[0] } $entry->{items}->@*;
        if ($entry->{key} && $batch_of{ $entry->{key} }) {
            push @wrong, "$name: the batch of $entry->{key} changes" if $batch_of{ $entry->{key} } ne $batch;
            next;
        }
        $batch_of{ $entry->{key} } = $batch if $entry->{key};
        push @wrong, map { "$name: $_->[0] is handed out twice" } grep { $handed{ $_->[0] }++ } $entry->{items}->@*;
    }
    for my $stats (grep { $_->{op} eq 'stats' } @entries) {
        my $said = $json->decode($stats->{text});
        my $sum = 0;
        $sum += $_ for values $said->{items}->%*;
        push @wrong, "$name: is counted $sum items, and has " . scalar keys %mine if $sum > keys %mine;
        push @wrong, "$name: sees the counts of $said->{client}" if $said->{client} ne $name;
    }
    return @wrong;
}

# What each node counts of a client, at the end.
sub counted ($nodes, $key) {
    my $sum = 0;
    for my $node (@$nodes) {
        $sum += $_ for values $node->call('GET', '/stats', headers => { Authorization => "Bearer $key" })->json->{items}->%*;
    }
    return $sum;
}

sub two_clients (%with) {
    my $dir = tempdir('hm-clients-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my @children;
    for my $name (qw(ann ben)) {
        for my $number (1 .. PROCESSES) {
            my $child = fork // die "fork: $!";
            if ($child == 0) {
                my $process = __PACKAGE__->new_process(%with, dir => $dir, name => $name, number => $number, key => $with{key}{$name},
                    seed => $with{seed} * 10 + @children);
                my $good = eval { $process->run; 1 };
                print {*STDERR} $@ if !$good;
                POSIX::_exit($good ? 0 : 1);
            }
            push @children, $child;
        }
    }
    my @wrong = map { waitpid($_, 0); $? ? "a client ended with $?" : () } @children;
    for my $name (qw(ann ben)) {
        my @entries = map { $json->decode($_) } map { split /\n/, slurp($_) } glob "$dir/$name.*";
        push @wrong, judge($name, @entries);
        my %ids = map { $_->{op} eq 'put' && $_->{id} ? ($_->{id} => 1) : () } @entries;
        my $sum = counted($with{nodes}, $with{key}{$name});
        push @wrong, "$name: has " . keys(%ids) . " items, and $sum are counted" if $sum != keys %ids;
    }
    return @wrong;
}

1;
