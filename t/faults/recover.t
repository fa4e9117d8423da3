# hashmill-fcgi --recover: a whole database out of what can be read of one, whatever is damaged.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Digest::SHA qw(sha512_hex);
use Hashmill;
use Hashmill::Faults;
use Hashmill::Recovery;

my $disk = Hashmill::Faults->new;

# Whether the counts are what the rows are.
sub counts_are_true ($mill) {
    my ($rows) = $mill->sql('SELECT sum(state = 0), sum(state = 1), sum(state = 2), sum(state = 3), sum(state = 4), '
        . 'sum(iif(state < 2, remaining, 0)) FROM item');
    my ($tally) = $mill->sql('SELECT waiting, leased, done, pulled, cancelled, remaining FROM tally');
    is "@$tally", "@$rows", 'the counts are what the rows are';
    my $stats = $mill->stats;
    is join(' ', $stats->{items}->@{qw(waiting leased done pulled cancelled)}), "@$rows[0 .. 4]", 'also in /stats';
    return;
}

subtest 'a database that is whole' => sub {
    my $mill = Hashmill->start;
    my %headers = ('Idempotency-Key' => 'known');
    my $known = $mill->enqueue('known', 10, %headers)->json->{id};
    my @ids = map { $mill->new_item("item $_", 10) } 1 .. 40;
    $mill->work_all;
    my $pulled = $mill->pull(5, headers => { 'Idempotency-Key' => 'pull' })->content;
    push @ids, map { $mill->new_item("later $_", 10) } 1 .. 20;
    $mill->call('DELETE', "/items/$ids[-1]");
    my $grant = $mill->lease(items => 3)->json;
    my %before = map { $_ => lasting($mill->item($_)->json) } @ids;
    my ($code, $text) = recover($mill, "$mill->{dir}/early.db");
    is $code, 1, 'it refuses while the server runs';
    like $text, qr/stop hashmill-fcgi first/, 'and says why';
    $mill->kill_everything;
    spew("$mill->{dir}/there.db", 'something');
    ($code, $text) = recover($mill, "$mill->{dir}/there.db");
    is $code, 1, 'it refuses to overwrite a file';
    is slurp("$mill->{dir}/there.db"), 'something', 'which is as it was';
    is system('sqlite3', "$mill->{dir}/hashmill.db", 'INSERT INTO peer (node) VALUES (7)'), 0, 'there was a peer once';
    ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    is $code, 0, 'it makes a new one' or diag $text;
    like $text, qr/^61 items saved, 0 lost$/m, 'with every item';
    is_deeply [glob "$mill->{dir}/*.db.??????"], [], 'nothing else is left';
    is put_in_place($text), 2, 'two commands put it in place';
    is +($mill->init)[0], 0, 'which --init has served from now on';
    $mill->restart;
    is_deeply { map { $_ => lasting($mill->item($_)->json) } @ids }, \%before, 'every item is what it was';
    is $mill->enqueue('known', 10, %headers)->json->{id}, $known, 'an Idempotency-Key is known';
    is $mill->pull(5, headers => { 'Idempotency-Key' => 'pull' })->content, $pulled, 'a keyed pull, too';
    counts_are_true($mill);
    my $first = $grant->{items}[0];
    is_deeply $mill->report({ id => $first->{id}, lease => $grant->{lease}, remaining => 0,
        chain => advance($first->{chain}, $first->{remaining}) })->json->{taken}, [$first->{id}], 'a lease goes on';
    $mill->close_instance;
};

subtest 'after a failed fsync' => sub {
    my $mill = Hashmill->start(wrap => $disk->wrap);
    $mill->expect_log(qr/ error: sqlite | failed: disk I\/O error|stopping for good|connect\(\) to unix:/);
    my @ids = map { $mill->new_item("item $_", 10) } 1 .. 10;
    $disk->set('fsync', path => 'hashmill.db', left => 1);
    is $mill->enqueue('in the batch', 10)->status, 503, 'an enqueue is answered 503';
    $mill->{server}->wait_exit(30);
    is $mill->{server}->exit_code, 76, 'the server has stopped';
    $disk->set('read', path => 'hashmill.db$', left => 1);
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db", $disk->wrap->@*);
    is $disk->count, 1, 'a read fails once';
    is $code, 0, 'a new file is made';
    my ($saved) = $text =~ /^(\d+) items saved, 0 lost$/m;
    cmp_ok $saved, '>=', 10, 'with what memory shows'; # the batch that failed may be in it
    $disk->clear;
    is put_in_place($text), 2, 'two commands put it in place';
    is +($mill->init)[0], 0, 'which --init has served from now on';
    $mill->start_server;
    ok !-e "$mill->{settings}{RUN_DIR}/disk-failed", 'the mark does not stand for the new file';
    is_deeply [grep { $mill->item($_)->status != 200 } @ids], [], 'everything answered 201 is there';
    counts_are_true($mill);
    $mill->close_instance;
};

subtest 'a database with holes' => sub {
    my $mill = Hashmill->start;
    my %digest;
    my @jobs = parallel(4, sub ($job) { map { $mill->enqueue("job $job item $_", 10)->json->{id} } 1 .. 500 });
    for my $job (0 .. 3) {
        $digest{ $jobs[$job][$_ - 1] } = sha512_hex("job $job item $_") for 1 .. 500;
    }
    $mill->work_all for 1, 2;
    $mill->pull(100);
    ok $mill->stop_server, 'everything is in the file';
    lose_pages($mill->{settings}{DATABASE}, 50, 7); # behind those of the schema
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    is $code, 0, 'a new file is made';
    my ($saved, $lost) = $text =~ /^(\d+) items saved, (\d+) lost$/m or die $text;
    is $saved + $lost, 2000, "every item is counted: $saved saved, $lost lost";
    cmp_ok $lost, '>', 50, 'some are lost';
    cmp_ok $saved, '>', 1400, 'most are saved';
    is put_in_place($text), 2, 'two commands put it in place';
    is +($mill->init)[0], 0, 'which --init has served from now on';
    $mill->start_server;
    my @rows = $mill->sql("SELECT lower(hex(id)), lower(hex(digest)), state FROM item");
    is scalar @rows, $saved, 'as many are there as were said to be saved';
    my %by_hex = map { my $hex = $_; $hex =~ tr/-//d; ($hex, $digest{$_}) } keys %digest;
    is_deeply [grep { ($by_hex{ $_->[0] } // '') ne $_->[1] } @rows], [], 'and they are what was enqueued';
    counts_are_true($mill);
    $mill->work_all for 1 .. 4;
    is $mill->stats->{items}{waiting}, 0, 'what was not computed can be';
    my ($whole) = $mill->sql('PRAGMA integrity_check');
    is $whole->[0], 'ok', 'the file is whole';
    $mill->close_instance;
};

subtest 'rows that are half of an old state' => sub {
    my $mill = Hashmill->start;
    my @ids = map { $mill->new_item("item $_", 10) } 1 .. 12;
    ok $mill->stop_server, 'it is stopped';
    my @damage = ('remaining = 0', 'remaining = 5, state = 4, deadline = NULL, pull = zeroblob(19)', 'chain = randomblob(64)',
        'state = 2, remaining = 0', 'state = 3, remaining = 0, done_at = 1, done_wall = 0', 'pull = zeroblob(19)', "key = ''",
        'enqueued_wall = -1', "key = 'ä'");
    for my $number (0 .. $#damage) {
        (my $hex = $ids[$number]) =~ tr/-//d;
        is system('sqlite3', $mill->{settings}{DATABASE}, "UPDATE item SET $damage[$number] WHERE id = x'$hex'"), 0,
            "a row with $damage[$number]";
    }
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    like $text, qr/^3 items saved, 9 lost$/m, 'none of them is saved';
    put_in_place($text);
    is +($mill->init)[0], 0, 'which --init has served from now on';
    $mill->start_server;
    counts_are_true($mill);
    is $mill->enqueue('more', 10, 'Idempotency-Key' => 'new')->status, 201, 'without one it goes on';
    $mill->close_instance;
};

subtest 'most rows are gone' => sub {
    my $mill = Hashmill->start;
    parallel(4, sub ($job) { $mill->new_item("job $job item $_", 10) for 1 .. 500; return });
    ok $mill->stop_server, 'everything is in the file';
    my $gone = lose_rows($mill->{settings}{DATABASE});
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    cmp_ok $gone, '>', 1000, "$gone rows of 2000 are gone";
    my $saved = 2000 - $gone;
    like $text, qr/^$saved items saved, $gone lost$/m, 'every other one is saved';
    $mill->{server_may_be_gone} = 1;
    $mill->close_instance;
};

subtest 'a database without its first page' => sub {
    my $mill = Hashmill->start(nginx => 0);
    ok $mill->stop_server, 'it is stopped';
    lose_pages($mill->{settings}{DATABASE}, 0, 1_000_000);
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    is $code, 1, 'nothing is made of it';
    like $text, qr/nothing can be read of the database/, 'which is said';
    ok !-e "$mill->{dir}/new.db", 'no file is left';
    is_deeply [glob "$mill->{dir}/new.db.??????"], [], 'nor anything else';
    $mill->{server_may_be_gone} = 1;
    $mill->close_instance;
};

finish();
