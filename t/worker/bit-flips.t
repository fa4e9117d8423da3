# A worker whose kernels turn over bits now and then finds that by its cross-check: it stops before it
# reports anything more, says what to do, and its items go to another. See t/support/flip/bit_flips.c.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

use constant { EXIT_UNSAFE => 76, ITEMS => 1500 };

my $mill = Hashmill->start(LEASE_SECONDS => 2);
$mill->expect_log(qr/computed a chain wrongly/);

# Runs a worker whose kernels go wrong in one run in $flips, and checks its log once it has stopped.
sub log_of_wrong_worker ($flips, %settings) {
    my $worker = $mill->start_worker(program => $mill->program('flip/hashmill-worker'),
        env => { BIT_FLIPS => $flips }, %settings);
    ok defined $worker->wait_exit(60), 'it stops';
    is $worker->exit_code, EXIT_UNSAFE, 'with the exit code after which nobody starts it again';
    my @errors = grep { / error: / } split /\n/, $worker->log;
    is @errors, 1, 'there is one error in its log';
    like $errors[0], qr/kernel [\w-]+ computed a chain wrongly on processor \S+.*: OpenSSL/, 'with kernel and processor';
    like $errors[0], qr/Take it out of service/, 'and what to do';
    return;
}

# Stores items for which the code gives iterations by number; id => right value.
sub store ($prefix, $count, $iterations) {
    return map { @$_ } map { @$_ } parallel(4, sub ($part) {
        return map { [$mill->new_item("$prefix $_", $iterations->($_)), value_of("$prefix $_", $iterations->($_))] }
            grep { $_ % 4 == $part } 1 .. $count;
    });
}

# Everything done by now, id => value; of one worker, if it is named.
sub done ($worker = '*') {
    return map { @$_ } $mill->sql("SELECT id, value FROM items WHERE state = 'done' AND worker GLOB '$worker'");
}

# Has a good worker compute what the bad one has left.
sub compute_rest {
    my $worker = $mill->start_worker(WORKER_NAME => 'good');
    ok $mill->wait_computed, 'another computes the rest';
    $worker->kill('TERM');
    is $worker->wait_exit(20), 0, 'and ends';
    return;
}

subtest 'everything is checked' => sub {
    my %right = store('long', 40, sub ($number) { return 20000 + $number });
    log_of_wrong_worker(1, CHECK_PERCENT => 100);
    is scalar(keys { done() }->%*), 0, 'not one value was reported';
    is_deeply [$mill->sql('SELECT count(*) FROM item WHERE chain <> digest')], [[0]], 'and no checkpoint';
    compute_rest();
    is_deeply { done() }, \%right, 'rightly';
    $mill->pull(1000);
};

subtest 'a twentieth is checked' => sub {
    my %right = store('short', ITEMS, sub ($number) { return 1500 + $number % 50 });
    log_of_wrong_worker(1, CHECK_PERCENT => 5);
    compute_rest();
    my %value = done();
    is scalar(keys %value), ITEMS, 'all of them';
    # The bad one's last report may come to the node after its end.
    my %good = done('good-*');
    cmp_ok scalar(keys %good), '>', 0, 'what the bad one has left was computed';
    is_deeply [grep { $good{$_} ne $right{$_} } keys %good], [], 'rightly';
    # Each wrong value had a probability of 0.05 at least to be found.
    my $wrong = grep { $value{$_} ne $right{$_} } keys %value;
    cmp_ok $wrong, '<', 400, "$wrong of its values were reported before and are wrong";
};

subtest 'it goes wrong seldom' => sub {
    # All are as long as what is checked of one, and so end together: what goes wrong in a run is checked.
    store('seldom', 2000, sub ($number) { return 64 });
    log_of_wrong_worker(50, CHECK_PERCENT => 100);
};

finish();
