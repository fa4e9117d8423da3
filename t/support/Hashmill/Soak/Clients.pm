package Hashmill::Soak::Clients;

# Well-behaved clients for a soak: each change has an Idempotency-Key and is repeated at the same node until it is
# answered. Each client is a job beside the soak and writes its history.

use v5.36;
use parent 'Exporter';
use Digest::SHA qw(sha256);
use Time::HiRes qw(sleep time);

use Hashmill::Job;
use Hashmill::Soak::History;

our @EXPORT = qw(asked_body enqueue_until enqueuer pull_until puller watcher);

use constant {
    ENDLESS => 9_000_000_000_000, PATIENCE => 60, RECENT => 40,
    LARGE => 262_144, PAUSE => 0.08, ENDLESS_MOST => 1,
};

# The body that belongs to a key: a few bytes, some thousands, or now and then all that is allowed.
sub asked_body ($key) {
    my ($dice, $size) = unpack 'C n', sha256($key);
    my $length = $dice == 0 ? LARGE : $dice < 128 ? 1 + $size % 4000 : 1 + $size % 40;
    return substr "$key " x (1 + $length / length $key), 0, $length > length $key ? $length : length $key;
}

sub read_enqueue ($reply) { my $json = $reply->json; return (id => $json->{id}, digest => $json->{digest}) }

sub read_pull ($reply) { return (items => [map { [$_->@{qw(id value iterations)}] } $reply->json->@*]) }

sub read_look ($reply) {
    my $json = $reply->json;
    return map { defined $json->{$_} ? ($_ => $json->{$_}) : () } qw(state remaining iterations value);
}

# Asks until the wanted status comes; when the soak ends, not much longer. A final refusal ends it, too, and is left to
# the judge.
sub until_answered ($history, $what, $wanted, $ask) {
    my $end;
    while (1) {
        my $reply = $ask->();
        my $status = $reply->status;
        return $reply if $status =~ $wanted;
        return if $status != 503 && $status != 507 && $status != 599;
        $end //= time + PATIENCE if stopping();
        last if defined $end && time > $end;
        sleep 0.1 + rand 0.2;
    }
    $history->note(op => 'gave_up', what => $what);
    return;
}

sub enqueue_until ($history, $node, $key, $n) {
    my %entry = (op => 'enqueue', key => $key, n => $n, node => $node->number);
    my $body = asked_body($key);
    return until_answered($history, "enqueue $key", qr/^201$/, sub { $history->ask(\%entry, sub {
        $node->enqueue($body, $n, 'Idempotency-Key' => $key) }, \&read_enqueue) });
}

sub pull_until ($history, $node, $key, $top, $order) {
    my %entry = (op => 'pull', key => $key, top => $top, order => $order, node => $node->number);
    return until_answered($history, "pull $key", qr/^200$/, sub { $history->ask(\%entry, sub {
        $node->pull($top, order => $order, headers => { 'Idempotency-Key' => $key }) }, \&read_pull) });
}

# A number of iterations: mostly few, sometimes enough that they are interrupted.
sub iterations {
    my $dice = rand;
    return $dice < 0.02 ? 1 : $dice < 0.97 ? 1 + int rand 2000 : $dice < 0.997 ? 20_000 + int rand 50_000 : 300_000 + int rand 600_000;
}

# Puts items to its node, its home, until it is told to stop; looks at them, at either node; cancels some, among them
# endless ones. Names are the clients' own.
sub enqueuer ($shared, $name, $home, $other) {
    my $history = $shared->writer($name);
    my (@recent, @endless);
    for (my $count = 0; !stopping(); $count++) {
        my $long = @endless < ENDLESS_MOST && rand() < 0.02;
        my $reply = enqueue_until($history, $home, "$name-$count", $long ? ENDLESS : iterations());
        if (my $id = $reply && $reply->json->{id}) {
            if ($long) { push @endless, [$id, time + 2 + rand 10] }
            else       { push @recent, $id }
            shift @recent if @recent > RECENT;
        }
        cancel($history, $home, (shift @endless)->[0]) if @endless && $endless[0][1] < time;
        cancel($history, $home, splice(@recent, int rand @recent, 1)) if @recent > 1 && rand() < 0.02;
        look($history, $home, $home, $_->[0]) for @endless;
        look($history, rand() < 0.7 ? $home : $other, $home, $recent[rand @recent]) if @recent && rand() < 0.7;
        sleep PAUSE * (0.5 + rand);
    }
    cancel($history, $home, $_->[0]) for @endless;
    return;
}

sub look ($history, $node, $home, $id) {
    my %query = rand() < 0.2 ? (wait => 1 + int rand 2) : ();
    $history->ask({ op => 'look', id => $id, node => $node->number, home => $home->number },
        sub { $node->item($id, %query) }, \&read_look);
    return;
}

# Repeats until the item is cancelled, or done already.
sub cancel ($history, $home, $id) {
    my %entry = (op => 'cancel', id => $id, node => $home->number, home => $home->number);
    until_answered($history, "cancel $id", qr/^(?:204|409)$/,
        sub { $history->ask(\%entry, sub { $home->call('DELETE', "/items/$id") }) });
    return;
}

# Asks nodes for their /stats until it is told to stop.
sub watcher ($shared, $name, @nodes) {
    my $history = $shared->writer($name);
    while (!stopping()) {
        for my $node (@nodes) {
            $history->ask({ op => 'stats', node => $node->number }, sub { $node->get('/stats?') },
                sub ($reply) { return $reply->json->%{qw(items remaining)} });
        }
        sleep 0.5;
    }
    return;
}

# Pulls at a node until it is told to stop and then until nothing is left there. Repeats an answered pull now and then.
sub puller ($shared, $name, $node) {
    my $history = $shared->writer($name);
    my @past;
    for (my $count = 0; ; $count++) {
        my $last = stopping();
        my ($top, $order) = (1 + int rand 30, rand() < 0.5 ? 'latest' : 'oldest');
        my @pull = ("$name-$count", $top, $order);
        my $reply = pull_until($history, $node, @pull);
        return if $last && (!$reply || !$reply->json->@*);
        push @past, \@pull;
        pull_until($history, $node, $past[rand @past]->@*) if rand() < 0.1;
        sleep 0.05 + rand 0.3 if !$last;
    }
}

1;
