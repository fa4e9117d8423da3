# What root does with the files of a server that is another user's: it follows no link and no name in a directory of that
# user, who may have been taken over. backup.sh goes on as that user; hashmill-fcgi says that it does.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Socket qw(AF_UNIX SOCK_SEQPACKET pack_sockaddr_un);
use Hashmill;

use constant NOBODY => 65534;

skip_for_rights('only root can be tricked') if $> != 0;

my $dir = tempdir('hm-root-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($data, $run, $own) = ("$dir/data", "$dir/run", "$dir/own"); # the service's, and root's
my $script = "$dir/scripts/backup.sh";
my %settings = (DATABASE => "$data/hashmill.db", RUN_DIR => $run, PROVIDER => '', PROCESSES_PUBLIC => 2,
    WORKER_TOKEN => 'x' x 32, ASAN_OPTIONS => 'detect_leaks=0');
my @as = ('setpriv', '--reuid=' . NOBODY, '--regid=' . NOBODY, '--clear-groups');
make_path($data, $run, $own, "$dir/build", "$dir/scripts");
copy(Hashmill::build_directory() . '/hashmill-fcgi', "$dir/build/hashmill-fcgi") or die;
copy("$FindBin::Bin/../../scripts/backup.sh", $script) or die;
chmod 0755, $dir, "$dir/build", "$dir/scripts", "$dir/build/hashmill-fcgi", $script;
chmod 0750, $data, $run;
chmod 0700, $own;
chown NOBODY, NOBODY, $data, $run or die;

# Starts a command with its settings in the environment.
sub start (@command) {
    state $number = 0;
    return Hashmill::Process->start(log => "$dir/log-" . ++$number, env => { %settings, BUILD => "$dir/build" }, cwd => '/',
        command => \@command);
}

# The same, to its end: exit code and output.
sub run (@command) {
    my $process = start(@command);
    $process->wait_exit(60);
    $process->kill('KILL');
    return ($process->exit_code, $process->log);
}

# The server, as its user, until it serves.
sub serve {
    unlink "$run/hashmill-fcgi.pid";
    my $server = start(@as, "$dir/build/hashmill-fcgi");
    ok wait_until(60, sub { !$server->alive || -s "$run/hashmill-fcgi.pid" }) && $server->alive, 'the server serves' or diag $server->log;
    return $server;
}

sub stop ($server) {
    $server->kill('TERM');
    is $server->wait_exit(30), 0, 'and ends' or diag $server->log;
    return;
}

# Owner, group, mode, links and content of a file.
sub look ($path) { return [(lstat $path)[2, 3, 4, 5], slurp($path)] }

is +(run(@as, "$dir/build/hashmill-fcgi", '--init'))[0], 0, 'a database is made';

subtest 'a backup' => sub {
    my $server = serve();
    my ($code, $text) = run($script, "$own/backup.db");
    is $code, 0, 'root makes one in a directory of its own' or diag $text;
    is_deeply [(stat "$own/backup.db")[2, 4]], [0100600, 0], "which is root's";
    ($code, $text) = run($script, "$data/backup.db");
    is $code, 0, "or in the service's" or diag $text;
    is_deeply [(stat "$data/backup.db")[2, 4]], [0100600, NOBODY], "which is that one's";

    mkdir "$data/link" or die;
    symlink $own, "$data/link/own" or die;
    chown NOBODY, NOBODY, "$data/link" or die;
    system('chown', '-h', 'nobody', "$data/link/own") == 0 or die;
    is +(run($script, "$data/link/own/backup.db"))[0], 1, 'not where a link of theirs leads';
    is_deeply [sort glob "$own/*"], ["$own/backup.db", "$own/backup.db.sha256"], 'where nothing is new';

    socket my $private, AF_UNIX, SOCK_SEQPACKET, 0 or die;
    bind $private, pack_sockaddr_un("$own/socket") or die;
    listen $private, 5 or die;
    $private->blocking(0);
    rename "$run/writer/ops.sock", "$run/writer/ops.kept" or die;
    symlink "$own/socket", "$run/writer/ops.sock" or die;
    $server->kill('STOP'); # it would make another
    ($code, $text) = run($script, "$own/other.db");
    is $code, 1, 'a link in the place of the server\'s socket';
    ok !accept(my $peer, $private), 'leads nobody to where only root may go';
    unlink "$run/writer/ops.sock";
    rename "$run/writer/ops.kept", "$run/writer/ops.sock" or die;
    $server->kill('CONT');
    stop($server);
};

my $victim = "$own/victim";
spew($victim, "root's alone\n");
chmod 0600, $victim or die;
my $before = look($victim);

# Restores, and asserts how that ends, and that the victim is as it was.
sub restores ($wanted, $name, @arguments) {
    my ($code, $text) = run($script, '--restore', @arguments);
    is $code, $wanted, $name or diag $text;
    my $now = look($victim);
    $now->[1] = $before->[1]; # links that this test makes
    is_deeply $now, $before, "root's file is as it was";
    return $text;
}

subtest 'a restore' => sub {
    link $victim, "$data/hashmill.db-lock.new" or die;
    rename "$data/hashmill.db-lock", "$data/lock.kept" or die;
    rename "$data/hashmill.db-lock.new", "$data/hashmill.db-lock" or die;
    restores(1, 'the lock is a name of a file of root\'s', "$own/backup.db");
    rename "$data/lock.kept", "$data/hashmill.db-lock" or die;

    rename "$data/hashmill.db", "$data/database.kept" or die;
    symlink $victim, "$data/hashmill.db" or die;
    system('chown', '-h', 'nobody', "$data/hashmill.db") == 0 or die;
    restores(1, 'the database is a link to it', "$own/backup.db");
    is_deeply [glob "$victim?*"], [], 'and nothing is beside it';
    unlink "$data/hashmill.db";
    rename "$data/database.kept", "$data/hashmill.db" or die;

    symlink $victim, "$data/stolen.db" or die;
    system('chown', '-h', 'nobody', "$data/stolen.db") == 0 or die;
    my $text = restores(1, 'the backup is a link of theirs to it', "$data/stolen.db");
    unlike $text, qr/alone/, 'and nothing is told of it';

    restores(0, "a backup that is root's", "$own/backup.db");
    my @made = grep { !/(?:kept|lock|link)/ } glob "$data/hashmill.db*";
    is_deeply [map { (lstat)[4] } @made], [(NOBODY) x @made], "makes files of the service's user";
    restores(0, 'one in its own directory', "$data/backup.db");
    my ($sum) = split / /, slurp("$own/backup.db.sha256");
    my ($code, $said) = run('sh', '-c', "exec $script --restore --sha256 $sum - <$own/backup.db");
    is $code, 0, 'one from standard input' or diag $said;
    is +(run(@as, "$dir/build/hashmill-fcgi", '--init'))[0], 0, 'it may be served';
    stop(serve());
};

subtest 'hashmill-fcgi itself' => sub {
    my @there = sort glob "$data/*";
    for my $arguments (['--init'], ['--init', '--new'], ['--recover', "$own/saved.db"], ['--recover', "$data/saved.db"], []) {
        my ($code, $text) = run("$dir/build/hashmill-fcgi", @$arguments);
        is $code, 78, "@$arguments: not as root";
        like $text, qr/is in a directory of nobody, where root touches nothing: run this as that user/, 'which is said';
    }
    is_deeply [sort glob "$data/*"], \@there, 'nothing is made there';
    my ($code, $text) = run(@as, "$dir/build/hashmill-fcgi", '--recover', "$data/saved.db");
    is $code, 0, 'its user does it' or diag $text;
};

done_testing();
