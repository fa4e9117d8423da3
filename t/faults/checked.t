# What is in a file that is to be restored: its SHA-256, its schema, how long it takes to look at. SQLite runs what a schema
# says, so nothing is served that has more in it than hashmill's own; and no trigger runs, however it came there.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use Hashmill;

my $script = "$FindBin::Bin/../../scripts/backup.sh";
my $zeros = 'CREATE TRIGGER zeros AFTER INSERT ON item BEGIN UPDATE item SET digest = zeroblob(64), chain = zeroblob(64)'
    . ' WHERE seq = new.seq; END';

# backup.sh with the settings of an instance: exit code and output.
sub backup_sh ($mill, @arguments) {
    local %ENV = (%ENV, BUILD => $mill->{build});
    my $output = qx($script -c @{[$mill->settings_file]} @arguments 2>&1 </dev/null);
    return ($? >> 8, $output);
}

# Runs SQL on a file.
sub change ($file, $sql) {
    system('sqlite3', $file, $sql) == 0 or die "sqlite3: $sql\n";
    return;
}

my $mill = Hashmill->start;
my ($dir, $database) = ($mill->{dir}, $mill->{settings}{DATABASE});
$mill->new_item("item $_", 10) for 1 .. 20;
is +(backup_sh($mill, "$dir/backup.db"))[0], 0, 'a backup is made';

subtest 'no trigger runs' => sub {
    change($database, $zeros);
    my $id = $mill->new_item('a body', 1000);
    $mill->start_worker(THREADS => 1);
    is $mill->item($id, wait => 30)->json->{value}, value_of('a body', 1000), 'the value is right';
    is +($mill->sql('SELECT count(*) FROM item WHERE chain = zeroblob(64)'))[0][0], 0, 'no row was changed behind its back';
    $mill->stop_workers;
    $mill->{workers} = [];
    ok $mill->stop_server, 'the server is stopped';
    my ($code, $said) = $mill->init;
    is $code, 78, 'its database is not to be served any more';
    like $said, qr/has in its schema what no database of hashmill's has, such as a trigger/, 'which is said';
    my $server = $mill->run_server;
    $server->wait_exit(60);
    is $server->exit_code, 78, 'nor is it, without --init';
    like $server->log, qr/is not served: its schema has what no database of hashmill's has/, 'which is said, too';
    $mill->expect_log(qr/is not served: its schema/);
};

# Each a change of a backup; what is wrong with it.
my %hostile = (
    'a trigger'                    => $zeros,
    'a view'                       => 'CREATE VIEW more AS SELECT 1',
    'a view in place of a table'   => 'PRAGMA legacy_alter_table = 1; ALTER TABLE item RENAME TO hidden; CREATE VIEW item AS SELECT * FROM hidden',
    'a table more'                 => 'CREATE TABLE more (number INTEGER)',
    'a virtual table'              => 'CREATE VIRTUAL TABLE more USING rtree(id, low, high)',
    'a column more'                => 'ALTER TABLE peer ADD COLUMN more TEXT',
    'a column less'                => 'ALTER TABLE loan RENAME COLUMN deadline TO later',
    'a computed column'            => 'ALTER TABLE decision ADD COLUMN more INTEGER AS (abs(wall))',
    'an index on an expression'    => 'CREATE INDEX more ON item (abs(rank))',
    'no index'                     => 'DROP INDEX item_id',
    'an index of another kind'     => 'DROP INDEX item_id; CREATE INDEX item_id ON item (id)',
);

subtest 'only what is hashmill\'s' => sub {
    my $check = sub ($file) { return qx($mill->{build}/hashmill-fcgi --check $file 2>&1) };
    is $check->("$dir/backup.db"), '', 'a backup';
    is $?, 0, 'is one';
    my $before = slurp($database);
    for my $what (sort keys %hostile) {
        my $file = "$dir/hostile.db";
        copy("$dir/backup.db", $file) or die;
        change($file, $hostile{$what});
        like $check->($file), qr/error: \S+ has in its schema what no database of hashmill's has/, "$what: told by --check";
        is $? >> 8, 1, 'which fails';
        my ($code, $said) = backup_sh($mill, '--restore', $file);
        is $code, 1, 'it is not restored';
        like $said, qr/hostile\.db is not a whole backup: \S+ has in its schema/, 'which is said';
    }
    ok slurp($database) eq $before, 'the database is as it was';
    spew("$dir/nothing", 'x' x 8192);
    like $check->("$dir/nothing"), qr/error: /, 'nor is another file a backup';
    unlink map { "$database$_" } '', '-wal', '-shm';
    copy("$dir/backup.db", $database) or die;
    change($database, $zeros);
    is +($mill->init)[0], 78, 'one with a trigger that was put there by hand is not accepted';
};

subtest 'its SHA-256' => sub {
    copy("$dir/backup.db$_", "$dir/rotten.db$_") or die for '', '.sha256';
    change("$dir/rotten.db", 'UPDATE item SET chain = zeroblob(64) WHERE seq = 3'); # as whole as before
    my ($code, $said) = backup_sh($mill, '--restore', "$dir/rotten.db");
    is $code, 1, 'a file that was changed is not restored';
    like $said, qr/the SHA-256 of \S+rotten\.db is [0-9a-f]{64}, and should be [0-9a-f]{64}: it is not what was backed up/, 'which is said';
    ($code, $said) = backup_sh($mill, '--restore', '--sha256', '0' x 64, "$dir/backup.db");
    is $code, 1, 'nor one that has not the sum that is asked for';
    spew("$dir/rotten.db.sha256", "dear aunt\n");
    is +(backup_sh($mill, '--restore', "$dir/rotten.db"))[0], 1, 'nor one whose sum is none';
};

subtest 'its time' => sub {
    mkdir "$dir/slow" or die;
    spew("$dir/slow/hashmill-fcgi", "#!/bin/sh\nexec sleep 600\n");
    chmod 0755, "$dir/slow/hashmill-fcgi";
    local %ENV = (%ENV, BUILD => "$dir/slow", CHECK_SECONDS => 0.2);
    my $said = qx($script --restore --database $database $dir/backup.db 2>&1);
    is $? >> 8, 1, 'a look that does not end is ended';
    like $said, qr/could not be looked through within CHECK_SECONDS=0\.2/, 'which is said';
};

unlink $database;
my ($code, $said) = backup_sh($mill, '--restore', "$dir/backup.db");
is $code, 0, 'the backup is restored' or diag $said;
is +($mill->init)[0], 0, 'it may be served';
$mill->start_server;
is $mill->enqueue('after', 10)->status, 201, 'and is';
finish();
