# A database of a former version: --check takes it, --init lets it through, the server brings it up, and all that it
# has goes on. Also a backup of such a database.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Digest::SHA qw(sha512_hex);
use Hashmill;

my $waiting = '01a20ad5-c32f-71c5-8000-c9d0da900771';
my $done = '01a20ad5-c32f-71c5-8000-c9d0da900772';

# Puts a database of that version in place of a stopped server's: an item that waits, with a key, and one that is done.
sub put_old ($mill, $version, $more = '') {
    my $file = "$mill->{dir}/hashmill.db";
    unlink glob "$file*";
    open my $shell, '|-', 'sqlite3', $file or die "sqlite3: $!";
    print {$shell} slurp("sql/schema_$_.sql") for 1 .. $version;
    my ($first, $second) = map { tr/-//dr } $waiting, $done;
    my $body = sha512_hex('old');
    print {$shell} <<"SQL";
PRAGMA user_version = $version;
UPDATE identity SET node = 0, epoch = 7, id = x'${\('70' x 16)}';
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, key, enqueued_wall, done_at, done_wall) VALUES
    (x'$first', x'$body', x'$body', 10, 9, 0, 5, 6, 'old', 1, NULL, NULL),
    (x'$second', x'$body', x'$body', 1, 0, 2, 0, 0, NULL, 1, 7, 1);
UPDATE tally SET clock = 1000, waiting = 1, done = 1, remaining = 9;
$more
SQL
    close $shell or die 'no database';
    return;
}

for my $version (6 .. 9) {
    my $counts = $version >= 8 ? "INSERT OR IGNORE INTO client (seq, name) VALUES (0, ''); UPDATE client SET waiting = 1, done = 1, remaining = 9, finish = 5;" : '';
    for my $kind ('a database', 'a backup') {
        subtest "$kind of version $version" => sub {
            my $mill = Hashmill->start;
            $mill->stop_server;
            put_old($mill, $version, $counts . ($kind eq 'a backup' ? 'UPDATE identity SET backup = 1;' : ''));
            is +($mill->command('--check', "$mill->{dir}/hashmill.db"))[0], 0, '--check takes it';
            my ($code, $said) = $mill->init($kind eq 'a backup' ? '--alone' : ());
            is $code, 0, '--init lets it through' or diag $said;
            $mill->launch_server;
            is_deeply [map { $mill->state_of($_) } $waiting, $done], ['waiting', 'done'], 'its items are there';
            is $mill->enqueue('old', 10, 'Idempotency-Key' => 'old')->json->{id}, $waiting, 'a key is known';
            is_deeply [map { $_->{id} } $mill->pull(5)->json->@*], [$done], 'what is done is handed out';
            $mill->work_all;
            is $mill->item($waiting)->json->{value}, value_of('old', 10), 'what waits is computed';
            $mill->stop_server;
            is +($mill->command('--check', "$mill->{dir}/hashmill.db"))[0], 0, 'and the file is good';
            $mill->restart;
            $mill->close_instance;
        };
    }
}

finish();
