# kill -9 of the writer, a FastCGI process, the worker and nginx, twenty times each, and of every
# other child, all under load in one run. Service comes back within a second; each client gets an
# answer, and never another's; every acknowledged item is handed out once with its right value.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use List::Util qw(any max);
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill;

use constant { CLIENTS => 4, ROUNDS => 20, BACK_SECONDS => sanitized() ? 5 : 1 };

my $mill = Hashmill->start(LEASE_SECONDS => 2);
my $worker = $mill->start_worker;

# Asks until the answer is this status, as a good client does: again with the same key. Notes all
# answers in seen: [time, status] when there was none, else what is wrong with it.
sub persist ($seen, $wanted, $ask) {
    my $end = time + 30;
    my $reply;
    while (time < $end) {
        $reply = $ask->();
        $seen->{answers}{ $reply->status }++;
        return $reply if $reply->status == $wanted;
        if ($reply->status == 599) { push $seen->{unanswered}->@*, time }
        elsif ($reply->status != 503 || !$reply->header('retry-after') || !eval { $reply->json->{detail} }) {
            push $seen->{odd}->@*, $reply->status . ' ' . $reply->content;
        }
        sleep 0.02;
    }
    die "no $wanted for half a minute, last: " . $reply->status . ' ' . $reply->content . "\n";
}

# Enqueues until stopped, now and then looks what became of an item of its own.
sub client ($number) {
    my %seen = (items => [], odd => [], unanswered => [], answers => {});
    for (my $count = 0; !stopping(); $count++) {
        my $body = "$number $count " . random_body(int rand 3000);
        my $n = 1 + int rand 300;
        my $item = persist(\%seen, 201, sub {
            $mill->enqueue($body, $n, 'Idempotency-Key' => "client-$number-$count");
        })->json;
        push $seen{odd}->@*, "another's answer: $item->{digest}" if $item->{digest} ne sha512_hex($body);
        push $seen{items}->@*, [$item->{id}, $item->{digest}, $n];
        if ($count % 5 == 0) {
            my $look = persist(\%seen, 200, sub { $mill->item($item->{id}, wait => 1) })->json;
            push $seen{odd}->@*, "another's item: $look->{id}" if $look->{id} ne $item->{id};
        }
        sleep 0.01;
    }
    return \%seen;
}

# Pulls until stopped and then until nothing is left.
sub puller {
    my %seen = (items => [], odd => [], unanswered => [], answers => {});
    for (my $count = 0; ; $count++) {
        my $last = stopping();
        my $batch = persist(\%seen, 200, sub {
            $mill->pull(50, headers => { 'Idempotency-Key' => "pull-$count" });
        })->json;
        push $seen{items}->@*, map { [$_->@{qw(id value iterations)}] } @$batch;
        return \%seen if $last && !@$batch || $seen{items}->@* > 100_000;
        sleep 0.05 if !@$batch;
    }
}

my @nginx_away; # [from, until] of each time that nobody listened

my %kill = (
    writer => sub { kill 'KILL', $mill->children('writer') },
    process => sub { kill 'KILL', ($mill->children(rand() < 0.5 ? 'intake' : 'public'))[0] },
    worker => sub { $worker->kill('KILL'); $worker->wait_exit(10); $worker = $mill->start_worker },
    nginx => sub {
        my $from = time;
        $mill->stop_nginx; # kill -9
        $mill->start_nginx;
        return push @nginx_away, [$from - 0.05, time + 0.5];
    },
    'wait process' => sub { kill 'KILL', $mill->children(rand() < 0.5 ? 'public-wait' : 'worker-wait') },
    "workers' process" => sub { kill 'KILL', ($mill->children('worker'))[0] },
);

my @clients = map { my $number = $_; background(sub { client($number) }) } 1 .. CLIENTS;
my $puller = background(\&puller);
my (%slowest, %killed);
for my $round (1 .. ROUNDS) {
    for my $what (sort keys %kill) {
        my $begin = time;
        $killed{$what} += $kill{$what}->() ? 1 : 0;
        wait_until(60, sub { $mill->enqueue('probe', 1)->status == 201 });
        $slowest{$what} = max($slowest{$what} // 0, time - $begin);
        sleep 0.2; # so that no child dies within a second of its start: those are started more slowly
    }
}
for my $what (sort keys %kill) {
    is $killed{$what}, ROUNDS, "$what: killed so many times";
    # Sanitizers make everything several times slower: the second is asserted on the normal build.
    cmp_ok $slowest{$what}, '<=', BACK_SECONDS, sprintf '%s: service is back within %d s', $what, BACK_SECONDS;
    note sprintf '%s: back after %.3f s at worst', $what, $slowest{$what};
}

my @seen = map { scalar $_->stop->result } @clients;
ok $mill->wait_computed, 'all items are computed';
push @seen, scalar $puller->stop->result;
my @pulled = (pop @seen)->{items}->@*;
my @enqueued = map { $_->{items}->@* } @seen;

my %answers;
for my $seen (@seen) { $answers{$_} += $seen->{answers}{$_} for keys $seen->{answers}->%* }
note 'answers of clients: ', join ', ', map { "$_: $answers{$_}" } sort keys %answers;
is_deeply [map { $_->{odd}->@* } @seen], [], 'no answer but success and 503, none meant for another';
sub nginx_was_away ($when) { return any { $_->[0] <= $when && $when <= $_->[1] } @nginx_away }
is scalar(grep { !nginx_was_away($_) } map { $_->{unanswered}->@* } @seen), 0, 'only a dead nginx leaves clients without an answer';
cmp_ok scalar @enqueued, '>', 20 * CLIENTS, 'there was load: ' . @enqueued . ' items';

my (%times, %value);
for my $item (@pulled) {
    $times{ $item->[0] }++;
    $value{ $item->[0] } = $item->[1];
}
is scalar(grep { $_ > 1 } values %times), 0, 'no item was handed out twice';
is scalar(grep { !$times{ $_->[0] } } @enqueued), 0, 'every acknowledged item was handed out';
is scalar(grep { $value{ $_->[0] } ne advance($_->[1], $_->[2] - 1) } @enqueued), 0, 'with its right value';

$mill->expect_log(qr/signal 9|SIGKILL|killed/i);
finish();
