# The files of a running node taken away, replaced or written over: nothing is acknowledged from the next
# commit on, the log names the file. What lies in RUN_DIR is made again.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use Hashmill;

# A server with some items; it has checkpointed the first ones.
sub start_mill (%options) {
    my $mill = Hashmill->start(%options);
    my @stored = map { $mill->new_item("first $_", 10) } 1 .. 3;
    ok $mill->stop_server, 'what is there is in the database';
    $mill->start_server;
    push @stored, map { $mill->new_item("second $_", 10) } 1 .. 3;
    return ($mill, @stored);
}

# Asserts that the next item is refused, and that the server stops for good and names this file.
sub stops_because_of ($mill, $file, $what = 'removed or replaced') {
    $mill->expect_log(qr/\Q$file was $what while it was in use/);
    $mill->expect_log(qr/stopping for good|not starting|connect\(\) to unix:/);
    $mill->{server_may_be_gone} = 1;
    like $mill->enqueue('next', 10)->status, qr/^50[023]$/, 'the next item is not acknowledged';
    ok defined $mill->{server}->wait_exit(30), 'the server stops';
    is $mill->{server}->exit_code, 76, 'with the exit code that means do not restart';
    like $mill->server_log, qr/error: \Q$file was $what while it was in use\E.*put the file that was there/,
        'its log names the file and says what to do';
    return;
}

# Asserts that it serves all these once it is started again.
sub serves ($mill, @stored) {
    unlink "$mill->{settings}{RUN_DIR}/disk-failed";
    $mill->start_server;
    is_deeply [grep { $mill->item($_)->status != 200 } @stored], [], 'everything answered 201 is there';
    is $mill->enqueue('after', 10)->status, 201, 'and more is taken';
    delete $mill->{server_may_be_gone};
    return;
}

for my $end ('', '-wal', '-shm', '-lock') {
    subtest "hashmill.db$end is removed" => sub {
        my ($mill) = start_mill();
        my $file = "$mill->{settings}{DATABASE}$end";
        unlink $file or die;
        stops_because_of($mill, $file);
        $mill->close_instance;
    };
}

subtest 'hashmill.db is replaced by another' => sub {
    my ($mill) = start_mill();
    my $file = $mill->{settings}{DATABASE};
    copy($file, "$file.other") or die;
    rename "$file.other", $file or die;
    stops_because_of($mill, $file);
    $mill->close_instance;
};

subtest 'hashmill.db is renamed, and comes back' => sub {
    my ($mill, @stored) = start_mill();
    my $file = $mill->{settings}{DATABASE};
    rename $file, "$file.away" or die;
    stops_because_of($mill, $file);
    my $process = Hashmill::Process->start(log => "$mill->{dir}/again.log", env => $mill->environment,
        command => [$mill->program('hashmill-fcgi'), '-c', $mill->settings_file]);
    $process->wait_exit(30);
    is $process->exit_code, 76, 'it does not begin an empty one in its place';
    unlink "$mill->{settings}{RUN_DIR}/disk-failed" or die;
    $process = Hashmill::Process->start(log => "$mill->{dir}/again.log", env => $mill->environment,
        command => [$mill->program('hashmill-fcgi'), '-c', $mill->settings_file]);
    $process->wait_exit(30);
    is $process->exit_code, 78, 'nor when the mark is removed';
    like $process->log, qr/error: \Q$file is gone or empty, but its WAL is there/, 'as it says';
    rename "$file.away", $file or die;
    serves($mill, @stored);
    $mill->close_instance;
};

subtest 'the directory is renamed, and comes back' => sub {
    my $directory = File::Temp::tempdir('hm-data-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    mkdir "$directory/data" or die;
    my ($mill, @stored) = start_mill(DATABASE => "$directory/data/hashmill.db");
    rename "$directory/data", "$directory/away" or die;
    stops_because_of($mill, "$directory/data/hashmill.db");
    rename "$directory/away", "$directory/data" or die;
    serves($mill, @stored);
    $mill->close_instance;
};

subtest 'hashmill.db is written over' => sub {
    my ($mill) = start_mill();
    my $file = $mill->{settings}{DATABASE};
    copy($file, "$mill->{dir}/before") or die;
    $mill->new_item('between', 10);
    copy("$mill->{dir}/before", $file) or die; # as cp does: the same inode
    stops_because_of($mill, $file, 'written to by another program');
    $mill->close_instance;
};

for my $how ('cut', 'written over') {
    subtest "the WAL is $how" => sub {
        my ($mill) = start_mill();
        my $wal = "$mill->{settings}{DATABASE}-wal";
        copy($wal, "$mill->{dir}/before") or die;
        $mill->new_item('between', 10);
        $how eq 'cut' ? truncate($wal, 0) : copy("$mill->{dir}/before", $wal) or die;
        stops_because_of($mill, $wal, 'written to by another program');
        $mill->close_instance;
    };
}

subtest 'another filesystem is mounted over it' => sub {
    skip_for_rights('only root can mount') if $> != 0;
    my $directory = File::Temp::tempdir('hm-data-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my ($mill, @stored) = start_mill(DATABASE => "$directory/hashmill.db");
    system('mount', '-t', 'tmpfs', 'hashmill-test', $directory) == 0 or plan(skip_all => 'no mount here');
    stops_because_of($mill, "$directory/hashmill.db");
    system('umount', '-l', $directory) == 0 or die;
    serves($mill, @stored);
    $mill->close_instance;
};

subtest 'somebody else changes the database through SQLite' => sub {
    my ($mill) = start_mill();
    # The WAL is empty for SQLite by then, so that the shell begins it again.
    is system('sqlite3', $mill->{settings}{DATABASE}, 'CREATE TABLE other (one); DROP TABLE other'), 0, 'a shell writes'
        for 1 .. 2;
    is $mill->enqueue('next', 10)->status, 201, 'that does not stop the server';
    $mill->close_instance;
};

subtest 'a file that is read stays what it is' => sub {
    my ($mill) = start_mill();
    copy("$mill->{settings}{DATABASE}$_", "$mill->{dir}/copy") or die for '', '-wal';
    chmod 0600, $mill->{settings}{DATABASE};
    is $mill->enqueue('next', 10)->status, 201, 'a copy and another mode stop nothing';
    $mill->close_instance;
};

subtest 'DATABASE is a symbolic link' => sub {
    my $directory = File::Temp::tempdir('hm-data-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    mkdir "$directory/data" or die;
    symlink 'data/real.db', "$directory/hashmill.db" or die;
    my ($mill, @stored) = start_mill(DATABASE => "$directory/hashmill.db");
    is $mill->item($stored[0])->status, 200, 'a link serves';
    symlink '/nonexistent', "$directory/new" or die;
    rename "$directory/new", "$directory/hashmill.db" or die;
    stops_because_of($mill, "$directory/hashmill.db");
    $mill->close_instance;
};

subtest 'a writer that starts again, on another database' => sub {
    my ($mill, @stored) = start_mill();
    my $file = $mill->{settings}{DATABASE};
    $mill->item($stored[0])->status for 1 .. 20; # every process has it open
    my ($writer) = $mill->children('writer');
    # Nobody is asked between: the next writer finds the other file.
    my $other = Hashmill->start(nginx => 0);
    ok $other->stop_server, 'another database';
    $other->{server_may_be_gone} = 1;
    unlink "$file-wal", "$file-shm" or die;
    rename $other->{settings}{DATABASE}, $file or die;
    kill 'KILL', $writer;
    ok wait_until(20, sub { $mill->get('/stats?')->status == 200 }), 'a new writer serves it';
    is_deeply [grep { $mill->item($stored[0])->status != 404 } 1 .. 20], [],
        'no process shows what was in the former one';
    $mill->close_instance;
};

subtest 'the program or the settings are removed' => sub {
    my $directory = File::Temp::tempdir('hm-build-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $program = "$directory/hashmill-fcgi";
    copy(Hashmill::build_directory() . '/hashmill-fcgi', $program) or die;
    chmod 0755, $program;
    my ($mill) = start_mill(build => $directory);
    $mill->expect_log(qr/not reloading: /);
    for my $file ($program, $mill->settings_file) {
        rename $file, "$file.away" or die;
        $mill->{server}->kill('HUP');
        ok wait_until(20, sub { $mill->server_log =~ /error: not reloading: [^\n]*\Q$file\E/ }), "SIGHUP: it says that $file is gone";
        is $mill->enqueue('next', 10)->status, 201, 'and goes on';
        rename "$file.away", $file or die;
    }
    my ($writer) = $mill->children('writer');
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { my ($now) = $mill->children('writer'); $now && $now != $writer }), 'it starts again when both are back';
    $mill->close_instance;
};

for my $what ('public.sock', 'worker-wait.sock', 'writer/ops.sock', 'lock', 'hashmill-fcgi.pid') {
    subtest "RUN_DIR: $what is removed" => sub {
        my ($mill, @stored) = start_mill();
        my $path = "$mill->{settings}{RUN_DIR}/$what";
        my $master = $mill->{server}->pid;
        $mill->expect_log(qr/connect\(\) to unix:/);
        unlink $path or die;
        ok wait_until(20, sub { -e $path }), 'it is made again';
        like $mill->server_log, qr/warn: \Q$path was removed or replaced: making it again/, 'as the log says';
        ok wait_until(20, sub { $mill->enqueue('next', 10)->status == 201 }), 'items are taken';
        is $mill->item($stored[-1])->status, 200, 'and shown';
        is $mill->lease(items => 1)->status, 200, 'and leased';
        ok wait_until(20, sub { (slurp("$mill->{settings}{RUN_DIR}/hashmill-fcgi.pid") // '') eq "$master\n" }),
            'by the same master';
        $mill->close_instance;
    };
}

for my $how ('removed', 'renamed') {
    subtest "RUN_DIR is $how" => sub {
        my ($mill, @stored) = start_mill();
        my $run = $mill->{settings}{RUN_DIR};
        $mill->expect_log(qr/connect\(\) to unix:/);
        rename $run, "$run.away" or die;
        File::Path::remove_tree("$run.away") if $how eq 'removed';
        ok wait_until(30, sub { $mill->enqueue('next', 10)->status == 201 }), 'it is made again, and items are taken';
        ok wait_until(20, sub { $mill->item($stored[-1])->status == 200 }), 'and shown'; # a kept connection may be of before
        $mill->close_instance;
    };
}

finish();
