# Files that this process may not use are no disk that fails: the program does not start, says which file
# it is, whose, and what to do, leaves no mark, and starts as soon as that is done.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Hashmill;

use constant NOBODY => 65534;

my $directory = tempdir('hm-rights-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $data = "$directory/data";
my %settings = (DATABASE => "$data/hashmill.db", RUN_DIR => "$directory/run", PROVIDER => '', PROCESSES_PUBLIC => 2,
    WORKER_TOKEN => 'x' x 32, ASAN_OPTIONS => 'detect_leaks=0');

# Root may use every file, so the server is somebody else then, with a program that everybody may run.
my $program = "$directory/hashmill-fcgi";
my @as = $> == 0 ? ('setpriv', '--reuid=' . NOBODY, '--regid=' . NOBODY, '--clear-groups') : ();
my $user = $> == 0 ? getpwuid(NOBODY) : getpwuid($>);
copy(Hashmill::build_directory() . '/hashmill-fcgi', $program) or die;
mkdir $data or die;
mkdir $settings{RUN_DIR} or die;
chmod 0755, $directory, $program;
chmod 0750, $data, $settings{RUN_DIR};
if ($> == 0) { chown NOBODY, NOBODY, $data, $settings{RUN_DIR} or die }

# Runs the program, with these arguments, until it ends or serves: its process.
sub run_server (@arguments) {
    state $number = 0;
    my $pid_file = "$settings{RUN_DIR}/hashmill-fcgi.pid";
    unlink $pid_file;
    my $process = Hashmill::Process->start(log => "$directory/log-" . ++$number, env => \%settings,
        command => [@as, $program, @arguments]);
    ok wait_until(60, sub { !$process->alive || -s $pid_file }), 'it serves, or ends';
    return $process;
}

# Asserts that it serves; stops it.
sub serves ($name) {
    my $process = run_server();
    ok $process->alive, $name or diag $process->log;
    $process->kill('TERM');
    is $process->wait_exit(30), 0, 'and ends when it is told';
    return;
}

# Asserts that it does not start, says this, and leaves no mark.
sub refuses ($pattern) {
    my $process = run_server();
    $process->wait_exit(30);
    is $process->exit_code, 78, 'it does not start, with the code that means do not restart';
    like $process->log, $pattern, 'and says what it is';
    unlike $process->log, qr/stopping for good|disk I\/O error/, 'but not that the disk has failed';
    ok !-e "$settings{RUN_DIR}/disk-failed", 'no mark is left';
    return;
}

my $init = run_server('--init');
is $init->wait_exit(30), 0, 'its database is made' or diag $init->log;
serves('a node');

for my $end ('', '-wal', '-shm', '-lock') {
    subtest "hashmill.db$end" => sub {
        my $file = "$settings{DATABASE}$end";
        chmod 0440, $file or die;
        refuses(qr/error: cannot use \Q$file\E: Permission denied; it belongs to $user and has mode 0440, this process runs as $user/);
        chmod 0640, $file or die;
        serves('put right, it starts');
    };
}

subtest "somebody else's" => sub {
    skip_for_rights('only root can give a file away') if $> != 0;
    chown 0, 0, $settings{DATABASE} or die;
    refuses(qr/error: cannot use \S+hashmill\.db: Permission denied; it belongs to root .*: give it to $user \(chown\)/);
    chown NOBODY, NOBODY, $settings{DATABASE} or die;
    serves('put right, it starts');
};

subtest 'the directory' => sub {
    chmod 0550, $data or die;
    serves('with all files there it need not be writable');
    unlink "$settings{DATABASE}-shm" if chmod 0750, $data;
    chmod 0550, $data or die;
    refuses(qr/error: cannot use \Q$data\E: Permission denied; it belongs to $user and has mode 0550/);
    chmod 0000, $data or die;
    refuses(qr/error: cannot use \S+: Permission denied; .*directories above it/);
    chmod 0750, $data or die;
    serves('put right, it starts');
};

subtest 'a filesystem that is mounted read-only' => sub {
    skip_for_rights('only root can mount') if $> != 0;
    system('mount', '--bind', $data, $data) == 0 && system('mount', '-o', 'remount,ro,bind', $data) == 0
        or plan(skip_all => 'no mount here');
    refuses(qr/error: cannot write to \S+: Read-only file system; its filesystem is mounted read-only/);
    system('umount', $data) == 0 or die;
    serves('mounted for writing, it starts');
};

subtest 'an attribute' => sub {
    skip_for_rights('only root can set one') if $> != 0;
    system("chattr +a $settings{DATABASE} 2>/dev/null") == 0 or plan(skip_all => 'no such attributes here');
    refuses(qr/error: cannot write to \S+hashmill\.db: Operation not permitted; take the attributes/);
    system('chattr', '-a', $settings{DATABASE}) == 0 or die;
    serves('without it, it starts');
};

subtest 'something that is no file' => sub {
    local $settings{DATABASE} = "$data/pipe";
    POSIX::mkfifo($settings{DATABASE}, 0640) or die;
    if ($> == 0) { chown NOBODY, NOBODY, $settings{DATABASE} or die }
    refuses(qr/error: \S+pipe is no file but something else/);
    local $settings{DATABASE} = "$directory/none/hashmill.db";
    refuses(qr/error: \S+none is no directory: make it/);
};

subtest '--recover' => sub {
    chmod 0000, $settings{DATABASE} or die;
    my $process = run_server('--recover', "$data/saved.db");
    $process->wait_exit(30);
    is $process->exit_code, 1, 'it ends';
    like $process->log, qr/error: cannot use \S+hashmill\.db: Permission denied; it belongs to $user/, 'and says why';
    chmod 0640, $settings{DATABASE} or die;
    chmod 0000, "$settings{DATABASE}-lock" or die;
    $process = run_server('--recover', "$data/saved.db");
    $process->wait_exit(30);
    like $process->log, qr/error: cannot use \S+hashmill\.db-lock: Permission denied/, 'of the lock, too';
    unlike $process->log, qr/stop hashmill-fcgi first/, 'without speaking of a server';
};

done_testing();
