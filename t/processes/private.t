# What other processes of this machine get of hashmill's: those of the same user neither its memory nor its environment,
# where tokens and keys are, nor a core file; those of another user no place at the writer's and the peering process's
# socket.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Socket qw(AF_UNIX SOCK_SEQPACKET pack_sockaddr_un);
use Hashmill;

use constant NOBODY => 65534;

skip_for_rights('only root can be two users') if $> != 0;

my $dir = tempdir('hm-private-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @as = ('setpriv', '--reuid=' . NOBODY, '--regid=' . NOBODY, '--clear-groups');
my %settings = (DATABASE => "$dir/data/hashmill.db", RUN_DIR => "$dir/run", PROVIDER => '', PROCESSES_PUBLIC => 1,
    PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => 'y' x 32, WORKER_TOKEN => 'x' x 32, NODES => 'http://127.0.0.1:9',
    THREADS => 1, ASAN_OPTIONS => 'detect_leaks=0');
mkdir "$dir/$_" or die for qw(data run);
for my $program (qw(hashmill-fcgi hashmill-worker)) {
    copy(Hashmill::build_directory() . "/$program", "$dir/$program") or die;
    chmod 0755, "$dir/$program";
}
chmod 0755, $dir;
chmod 0750, "$dir/data", "$dir/run";
chown NOBODY, NOBODY, "$dir/data", "$dir/run" or die;

sub start ($program, @arguments) {
    return Hashmill::Process->start(log => "$dir/$program.log", env => \%settings, command => [@as, "$dir/$program", @arguments]);
}

is start('hashmill-fcgi', '--init', '--new')->wait_exit(60), 0, 'a database is made';
my $server = start('hashmill-fcgi');
my $worker = start('hashmill-worker');
END { $_->kill('KILL') for grep { defined } $server, $worker }
ok wait_until(60, sub { !$server->alive || -s "$dir/run/hashmill-fcgi.pid" }) && $server->alive, 'the server serves' or diag $server->log;
ok wait_until(60, sub { !$worker->alive || $worker->log =~ / works for / }) && $worker->alive, 'a worker works' or diag $worker->log;

my @pids = ($server->pid, (grep { parent_of($_) == $server->pid } process_ids()), $worker->pid);
cmp_ok scalar @pids, '>', 6, 'they have processes';
for my $what (qw(environ mem maps fd auxv)) {
    my @open = grep { system(@as, 'sh', '-c', "test -r /proc/$_/$what && head -c 1 /proc/$_/$what >/dev/null 2>&1 || ls /proc/$_/$what/ >/dev/null 2>&1") == 0 } @pids;
    is_deeply \@open, [], "/proc/PID/$what: nothing for another process of the same user";
}

for my $name (qw(ops peering)) {
    socket my $socket, AF_UNIX, SOCK_SEQPACKET, 0 or die;
    connect $socket, pack_sockaddr_un("$dir/run/writer/$name.sock") or die "$name: $!";
    my $ready = '';
    vec($ready, fileno $socket, 1) = 1;
    ok select($ready, undef, undef, 20), "$name.sock: a process of another user is answered";
    $socket->blocking(0);
    is sysread($socket, my $bytes, 1000), 0, 'by the end of the connection';
    ok wait_until(10, sub { $server->log =~ /process $$ of user 0 is refused: it is not of this server's user/ }), 'the log says who it was';
}

$_->kill('TERM') for $server, $worker;
is $_->wait_exit(60), 0, 'it ends' for $server, $worker;
done_testing();
