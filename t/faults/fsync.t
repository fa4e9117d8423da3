# A disk that fails: fsync, write and read. Whoever was in the batch is told that the outcome is unknown,
# the server stops for good, and nothing starts it until a person has acted: the system's memory shows
# what the disk lacks, and the next fsync says that all is well.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Faults;

my $disk = Hashmill::Faults->new;

# A server on that disk; what its failure makes it say is part of the test.
sub start_mill (%options) {
    $disk->clear;
    my $mill = Hashmill->start(wrap => $disk->wrap, %options);
    $mill->expect_log(qr/ error: sqlite | failed: disk I\/O error|stopping for good|not starting/);
    $mill->expect_log(qr/connect\(\) to unix:|cannot sync /);
    $mill->{server_may_be_gone} = 1;
    return $mill;
}

sub marker ($mill) { return "$mill->{settings}{RUN_DIR}/disk-failed" }

# Enqueues until that is refused. The ids that were answered 201, and the last answer.
sub enqueue_until_refused ($mill) {
    my @stored;
    for my $number (1 .. 3000) {
        my $reply = $mill->enqueue("item $number", 10);
        return ([@stored], $reply) if $reply->status != 201;
        push @stored, $reply->json->{id};
    }
    return ([@stored], undef);
}

# Asserts that it has stopped as it should, and stays down when it is started again on a disk that
# works by now.
sub stays_down ($mill) {
    ok defined $mill->{server}->wait_exit(30), 'the server stops';
    is $mill->{server}->exit_code, 76, 'with the code that nobody starts again after';
    like $mill->server_log, qr/error: .*stopping for good.*--recover NEW_FILE.*boot the machine again.*remove \S+disk-failed/,
        'its log says what a person can do';
    ok -s marker($mill), 'a mark is left';
    $disk->clear;
    for my $try (1, 2) {
        $mill->{server} = Hashmill::Process->start(log => "$mill->{dir}/server.log", env => $mill->environment,
            command => [$mill->program('hashmill-fcgi'), '-c', $mill->settings_file]);
        ok defined $mill->{server}->wait_exit(30), "start $try: it ends";
        is $mill->{server}->exit_code, 76, 'with the same code';
    }
    like $mill->server_log, qr/the disk of the database has failed before: not starting/, 'and says why';
    return;
}

# Asserts that these items are there once the mark is gone.
sub has_all ($mill, $ids) {
    $mill->start_server;
    ok !-e marker($mill), 'no mark is left';
    is_deeply [grep { $mill->item($_)->status != 200 } @$ids], [], 'everything answered 201 is there';
    is $mill->enqueue('afterwards', 10)->status, 201, 'and more can be stored';
    delete $mill->{server_may_be_gone};
    $mill->close_instance;
    return;
}

subtest 'one fsync of the WAL fails' => sub {
    my $mill = start_mill();
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 3;
    $disk->set('fsync', path => 'hashmill.db-wal$', left => 1);
    my $reply = $mill->enqueue('in the batch', 10);
    is_problem($reply, 503, 'the enqueue');
    is $reply->json->{type}, 'urn:hashmill:problem:outcome-unknown', 'nobody can say whether it is stored';
    is $disk->count, 1, 'one fsync has failed';
    ok -s marker($mill), 'the mark is there before anybody is answered';
    stays_down($mill);
    is $mill->enqueue('nobody', 10)->status, 503, 'nginx answers 503';
    unlink marker($mill) or die;
    has_all($mill, \@stored);
};

subtest 'all are killed when it fails' => sub {
    my $mill = start_mill();
    $disk->set('fsync', path => 'hashmill.db-wal$', left => 1);
    my $job = background(sub { $mill->enqueue('in the batch', 10)->status });
    ok wait_until(20, sub { -s marker($mill) }), 'the mark is there';
    $mill->kill_everything($mill->nginx_pids);
    $job->result;
    $mill->{server} = Hashmill::Process->start(log => "$mill->{dir}/server.log", env => $mill->environment,
        command => [$mill->program('hashmill-fcgi'), '-c', $mill->settings_file]);
    ok defined $mill->{server}->wait_exit(30), 'a new server ends';
    is $mill->{server}->exit_code, 76, 'though the writer that failed could not say so';
    $mill->close_instance;
};

subtest 'fsync of the database fails, at a checkpoint' => sub {
    my $mill = start_mill();
    $disk->set('fsync', path => 'hashmill.db$');
    my ($stored) = enqueue_until_refused($mill);
    cmp_ok scalar @$stored, '>', 20, scalar(@$stored) . ' items were stored before';
    stays_down($mill);
    # As a boot of the machine would have it.
    spew(marker($mill), slurp(marker($mill)) =~ s/^boot \S+/boot 00000000-0000-0000-0000-000000000000/r);
    has_all($mill, $stored);
};

subtest 'fsync fails at the last checkpoint' => sub {
    my $mill = start_mill();
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 3;
    $disk->set('fsync', path => 'hashmill.db$');
    $mill->{server}->kill('TERM');
    stays_down($mill);
    unlink marker($mill) or die;
    has_all($mill, \@stored);
};

subtest 'a write fails' => sub {
    my $mill = start_mill();
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 3;
    $disk->set('write', path => 'hashmill.db-wal$', left => 1);
    is $mill->enqueue('in the batch', 10)->status, 503, 'an enqueue is answered 503';
    stays_down($mill);
    unlink marker($mill) or die;
    has_all($mill, \@stored);
};

subtest 'a read fails' => sub {
    my $mill = start_mill();
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 3;
    $mill->expect_log(qr/cannot (?:read|open) /);
    ok $mill->stop_server, 'everything is in the file';
    $mill->start_server;
    # The writer reads, too, each second; it must not be the one that cannot.
    my ($writer) = $mill->children('writer');
    kill 'STOP', $writer;
    ok wait_until(10, sub { process_state($writer) eq 'T' }), 'the writer stands still';
    $disk->set('read', path => 'hashmill.db$', left => 1);
    like $mill->item($stored[0])->status, qr/^50[03]$/, 'a look answers 500 or 503';
    is $disk->count, 1, 'as it could not read';
    is $mill->item($stored[0])->status, 200, 'the next one can';
    $disk->set('read', path => 'hashmill.db$');
    kill 'KILL', $writer;
    stays_down($mill);
    unlink marker($mill) or die;
    has_all($mill, \@stored);
};

subtest 'a slow disk only makes it slow' => sub {
    $disk->clear;
    my $mill = Hashmill->start(wrap => $disk->wrap);
    $disk->set('slow', path => 'hashmill.db', delay_us => 50_000);
    my @replies = map { $_->[0] } parallel(4, sub ($number) { $mill->enqueue("slow $number", 10)->status });
    is_deeply \@replies, [(201) x 4], 'enqueues are answered 201';
    cmp_ok $disk->count, '>', 0, 'after an fsync of 50 ms';
    $disk->clear;
    $mill->close_instance;
};

finish();
