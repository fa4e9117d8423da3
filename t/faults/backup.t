# Backups: made under load, broken off, refused; and a node that is restored from one.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use POSIX qw(setpgid);
use Time::HiRes qw(sleep time);
use Hashmill;
use Hashmill::Load;

my $script = "$FindBin::Bin/../../scripts/backup.sh";

# Runs backup.sh with the settings of an instance, under the commands given first; its process.
sub start_backup ($mill, $file, @before) {
    state $number = 0;
    my $log = "$mill->{dir}/backup-" . ++$number . '.out';
    my %quiet = @before ? (ASAN_OPTIONS => 'detect_leaks=0') : (); # which works under no other tracer
    return Hashmill::Process->start(log => $log, env => { $mill->environment->%*, BUILD => $mill->{build}, %quiet },
        command => [@before, $script, '-c', $mill->settings_file, $file]);
}

# The same, to its end: exit code and output.
sub backup ($mill, $file, @before) {
    my $process = start_backup($mill, $file, @before);
    $process->wait_exit(120);
    return ($process->exit_code, $process->log);
}

sub restore ($mill, $file) {
    my $output = qx($script --restore -c @{[$mill->settings_file]} $file 2>&1);
    return ($? >> 8, $output);
}

# What there is of a backup that failed.
sub left ($file) { my @left = glob "$file*"; return @left }

# A command that delays each write of a page by $microseconds.
sub slowly ($microseconds) {
    return ('strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64', '-e',
        "inject=pwrite64:delay_enter=$microseconds");
}

# Rows of a query on a backup.
sub rows ($file, $query) { return split /\n/, qx(sqlite3 -readonly $file "$query" 2>&1) }

subtest 'under load, and restored' => sub {
    my $mill = Hashmill->start(LEASE_SECONDS => 5);
    my $file = "$mill->{dir}/backup.db";
    $mill->start_worker(THREADS => 1);
    my @enqueuers = map { my $name = "load-$_"; background(sub { enqueuer($mill, $name, pause => 0) }) } 1 .. 3;
    my $puller = background(sub { puller($mill, 'pull', top => 5) });
    ok wait_until(60, sub { $mill->stats->{items}{pulled} > 100 }), 'clients and a worker are busy';
    my @before = map { my ($key, $n) = ("before-$_", $_ % 3 ? 1 + $_ : 1_000_000_000);
        [enqueue_key($mill, $key, $n)->json->{id}, $key, $n] } 1 .. 30;
    my %rank = (waiting => 0, leased => 0, done => 1, pulled => 2);
    my %was = map { ($_->[0], $mill->state_of($_->[0])) } @before;
    my ($code, $output) = backup($mill, $file);
    is $code, 0, 'a backup is made' or diag $output;
    is $mill->stats->{items}{cancelled}, 0, 'the server serves'; # and has lived through it
    $_->stop for @enqueuers, $puller;
    $_->result for @enqueuers, $puller;

    is_deeply [left($file)], [$file, "$file.sha256"], 'it is one file, and its SHA-256';
    is system("cd $mill->{dir} && sha256sum --quiet -c backup.db.sha256"), 0, 'which sha256sum takes';
    is((stat $file)[2] & 07777, 0600, 'for its owner only');
    is_deeply [rows($file, 'PRAGMA integrity_check')], ['ok'], 'it is whole';
    my $count = (rows($file, 'SELECT count(*) FROM item'))[0];
    cmp_ok $count, '>', 100, "it has items, $count";
    like $mill->server_log, qr/a backup begins\n.*the backup was sent/s, 'the log tells of it';

    ($code, $output) = restore($mill, $file);
    is $code, 1, 'it is not restored under a server that runs';
    like $output, qr/a server has .* open: stop it first/, 'which is said';
    $mill->new_item('not in the backup', 1);
    $_->kill('KILL') for $mill->{workers}->@*;
    $mill->{workers} = [];
    ok $mill->stop_server, 'the server is stopped';
    spew("$mill->{dir}/broken", substr(slurp($file), 0, 20_000));
    is +(restore($mill, "$mill->{dir}/broken"))[0], 1, 'a part of a backup is refused';
    ($code, $output) = restore($mill, $file);
    is $code, 0, 'the backup is restored' or diag $output;
    my ($old) = $output =~ /kept as (\S+)/;
    ok -s $old, 'the old database is kept';
    is +($mill->init)[0], 0, 'the backup is to be served';
    $mill->start_server;
    is_deeply [map { $_->[0] } $mill->sql('PRAGMA integrity_check')], ['ok'], 'the node runs from a whole database';
    is_deeply [grep { $mill->item($_->[0])->status != 200 || $rank{$mill->state_of($_->[0])} < $rank{$was{$_->[0]}} } @before],
        [], 'what was acknowledged before is there, as far on or further';
    is_deeply [grep { enqueue_key($mill, $_->[1], $_->[2])->json->{id} ne $_->[0] } @before], [], 'by its keys, too';
    is +($mill->sql('SELECT count(*) FROM item'))[0][0], $count, 'and nothing else';
    $mill->start_worker(THREADS => 1);
    is $mill->item($mill->new_item('after', 1000), wait => 30)->json->{value}, value_of('after', 1000), 'it goes on';
    $mill->close_instance;
};

subtest 'one at a time, and broken off' => sub {
    plan skip_all => 'strace cannot trace here' if system('strace -o /dev/null true 2>/dev/null') != 0;
    my $mill = Hashmill->start;
    my $file = "$mill->{dir}/backup.db";
    ok $mill->stop_server, 'a database is made larger than what fits into the channel';
    is system('sqlite3', $mill->{settings}{DATABASE},
        'INSERT INTO decision (wall, why) VALUES (0, hex(randomblob(5000000)))'), 0, 'by some 2,500 pages';
    $mill->start_server;
    my $slow = start_backup($mill, $file, 'setsid', slowly(50_000));
    ok wait_until(30, sub { $mill->server_log =~ /a backup begins/ }), 'a backup begins, to a slow disk';
    my ($code, $output) = backup($mill, "$file-2");
    is $code, 1, 'another one is refused meanwhile';
    like $output, qr/another backup is under way/, 'which is said';
    is_deeply [left("$file-2")], [], 'and leaves no file';
    my $begin = time;
    $mill->new_item("more $_", 10) for 1 .. 20;
    cmp_ok time - $begin, '<', 2, 'clients do not notice';
    ok $slow->alive, 'while it goes on';
    kill 'TERM', -$slow->pid;
    ok defined $slow->wait_exit(20), 'it is told to end';
    ok wait_until(10, sub { $mill->server_log =~ /the backup is broken off/ }), 'the server notes it';
    ok wait_until(10, sub { !left($file) }), 'no file is left';
    is +(backup($mill, $file))[0], 0, 'the next one is made';
    my $good = slurp($file);
    kill 'STOP', $mill->server_pids;
    $slow = start_backup($mill, $file);
    ok wait_until(10, sub { grep { (slurp("/proc/$_/cmdline") // '') =~ /\0--backup\0\Q$file.new./ } process_ids() }), 'another has begun';
    $mill->kill_everything($slow);
    ok $slow->wait_exit(20), 'one whose server dies fails';
    ok slurp($file) eq $good, 'and leaves the file as it was';
    ($code, $output) = backup($mill, $file);
    is $code, 1, 'there is none without a server';
    like $output, qr/no server can be reached/, 'which is said';
    is_deeply [left($file)], [$file, "$file.sha256"], 'and nothing beside it';
    $mill->restart;
    is +(backup($mill, "$mill->{dir}/none/backup"))[0], 1, 'nor is there one in no directory';
    $mill->close_instance;
};

subtest 'what is no backup stays' => sub {
    my $mill = Hashmill->start;
    my ($dir, $database) = ($mill->{dir}, $mill->{settings}{DATABASE});
    mkdir "$dir/folder" or die;
    spew("$dir/letter", "dear aunt\n");
    spew("$dir/empty", '');
    symlink "$dir/letter", "$dir/link" or die;
    symlink "$dir/nothing", "$dir/dangling" or die;
    system('mkfifo', "$dir/fifo") == 0 or die;
    my $socket = IO::Socket::UNIX->new(Local => "$dir/socket", Listen => 1) // die;
    my %why = (folder => qr/is a directory and stays/, letter => qr/is no backup and stays/, link => qr/is a symbolic link, to \S+letter/,
        dangling => qr/is a symbolic link/, fifo => qr/is a fifo and stays/, socket => qr/is a socket and stays/);
    if ($> == 0) {
        $why{null} = qr/is a character special file and stays/;
        system('mknod', "$dir/null", 'c', 1, 3) == 0 or delete $why{null};
        $why{foreign} = qr/belongs to \S+ and stays/;
        spew("$dir/foreign", "SQLite format 3\0");
        chown 65534, -1, "$dir/foreign";
    }
    for my $name (sort keys %why) {
        my @before = lstat "$dir/$name";
        my ($code, $output) = backup($mill, "$dir/$name");
        is $code, 1, "$name: refused";
        like $output, $why{$name}, 'with a sentence';
        is_deeply [(lstat "$dir/$name")[1, 2, 4, 7]], [@before[1, 2, 4, 7]], 'and as it was';
        is_deeply [glob "$dir/$name.new*"], [], 'with nothing beside it';
    }
    my ($code, $output) = backup($mill, $database);
    is $code, 1, 'the database itself is refused';
    like $output, qr/is the database of a node and stays/, 'with a sentence';
    is $mill->enqueue('body', 10)->status, 201, 'the node serves';
    is +(backup($mill, "$dir/empty"))[0], 0, 'an empty file is replaced';
    is +(backup($mill, "$dir/empty"))[0], 0, 'and so is a backup';

    ok $mill->stop_server, 'the server is stopped';
    for my $name (grep { $why{$_} && $_ ne 'foreign' } qw(folder fifo null socket)) {
        my @before = lstat "$dir/$name";
        my $output = qx($script --restore --database $dir/$name $dir/empty 2>&1 </dev/null);
        is $? >> 8, 1, "$name is restored to nobody";
        like $output, $why{$name}, 'which is said';
        is_deeply [(lstat "$dir/$name")[1, 2]], [@before[1, 2]], 'it stays';
        isnt system("timeout 10 $script --restore --database $dir/new.db $dir/$name >/dev/null 2>&1"), 0, 'nor is it a backup';
    }
    symlink $database, "$dir/link.db" or die;
    spew("$database-wal", 'of the old one');
    is_deeply [map { system "$script --restore --database $dir/link.db $dir/empty >>$dir/restored 2>&1" } 1 .. 3], [0, 0, 0],
        'three restores through a link';
    ok -l "$dir/link.db" && !-e "$database-wal", 'leave the link, and no WAL beside the file';
    is scalar(my @kept = grep { !/-(?:wal|shm)$/ } glob "$database.before-*"), 3, 'three old databases are kept';
    is +($mill->init)[0], 0, 'the backup is to be served';
    $mill->start_server;
    is $mill->enqueue('body', 10)->status, 201, 'the node serves again';
    $mill->close_instance;
};

my $disk = $> == 0 ? tempdir('hm-disk-XXXXXX', TMPDIR => 1, CLEANUP => 1) : undef;
undef $disk if defined $disk && system("mount -t tmpfs -o size=256k hashmill-test $disk 2>/dev/null") != 0;
END { system "umount $disk" if defined $disk }

subtest 'no room for it' => sub {
    skip_for_rights('only root can mount a small disk') if !defined $disk;
    my $mill = Hashmill->start;
    $mill->new_item("item $_", 10) for 1 .. 1000;
    my ($code, $output) = backup($mill, "$disk/backup");
    is $code, 1, 'a disk that is too small';
    like $output, qr/there is no room for it/, 'which is said';
    is_deeply [left("$disk/")], [], 'it is empty again';
    is $mill->enqueue('after', 10)->status, 201, 'the queue has nothing to do with it';
    $mill->close_instance;
};

finish();
