# The bar while put and run read files and send them. What it says in each width is in t/unit/client/bar.c, what it does
# to a terminal in t/client/bar.t. The node is stopped, so that each screen stays until it was seen.

use v5.36;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Terminal;
use Hashmill::Util;

binmode $_, ':utf8' for Test::More->builder->output, Test::More->builder->failure_output;

my $missing = Hashmill::Terminal::missing();
plan skip_all => $missing if $missing;

my $mill = Hashmill->start;
my $dir = File::Temp::tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
symlink $mill->program('hashmill'), "$dir/hashmill" or die;
mkdir "$dir/$_" or die for 'few', 'many', 'many/more';
spew("$dir/few/$_", 'body ' . $_) for 1 .. 3;
spew(sprintf('%s/many/%s%04d', $dir, $_ > 1500 ? 'more/' : '', $_), "many $_") for 1 .. 2500;
symlink '../few', "$dir/many/link" or die; # is left out
spew("$dir/list", join '', map { sprintf "many/%04d\n", $_ } 1 .. 1500);

my $cells = qr/[█▏▎▍▌▋▊▉ ]/;
my $few = qr/0\/3 files  ▕ {25,40}▏   0\.0 %/;

# A terminal in the directory of the test.
sub terminal (%options) {
    my $terminal = Hashmill::Terminal->start(in => $dir, %options,
        env => { HASHMILL_URL => $mill->url, ($options{env} // {})->%* });
    $terminal->record;
    return $terminal;
}

# Runs something while the node does not answer.
sub while_stopped ($run) {
    kill 'STOP', my @stopped = $mill->server_pids;
    my $done = eval { $run->(); 1 };
    my $why = $@;
    kill 'CONT', @stopped;
    die $why if !$done;
    return;
}

subtest 'run: from putting to waiting' => sub {
    my $terminal = terminal(columns => 100);
    while_stopped(sub {
        $terminal->type("echo before; ./hashmill run -r few -n 9000000000 >out\n");
        my $screen = $terminal->wait_for(qr/ files .*$/);
        like $screen, qr/\A\$ echo before.*\nbefore\n$few     18 B\z/, 'one line: files put of all, and what was read';
        $terminal->resize(40);
        ok $terminal->wait_for(qr/^▕ {10,20}▏   0\.0 %\z/m), '40 columns';
        $terminal->resize(20);
        ok $terminal->wait_for(qr/^▕ {5,10}▏   0\.0 %\z/m), '20 columns';
        $terminal->resize(100);
        ok $terminal->wait_for(qr/^$few     18 B\z/m), '100 columns';
    });
    $terminal->wait_for(qr/ items .*$/);
    like $terminal->screen(1), qr{\A\$ echo before.*\nbefore\n0/3 items  ▕ +▏   0\.0 %  .*no worker has it yet\z}, 'the bar of run takes its place';
    $terminal->type("\cC");
    $terminal->wait_for(qr/^\$\z/m);
    like $terminal->screen(1), qr/\A\$ echo before.*\nbefore\n(?:\^C)?hashmill: the items stay .*\n\$\z/, 'and leaves nothing behind';
};

subtest 'many files' => sub {
    my $terminal = terminal(columns => 100);
    $terminal->type("./hashmill put --from-file list --job many -n 1 >ids; echo code \$?\n");
    $terminal->wait_for(qr/^code 0\n\$\z/m);
    like $terminal->screen, qr/\A\$ .*\ncode 0\n\$\z/, 'nothing stays on the screen';
    while_stopped(sub {
        $terminal->type("clear; ./hashmill put -r many --job many -n 1 >ids\n");
        ok $terminal->wait_for(qr{^1500/2500 files  ▕$cells+▏  60\.0 % *[\d.]+ kB}m), 'all below a directory are counted first';
        $terminal->type("\cC");
        ok $terminal->wait_for(qr/\A(?:\^C)?hashmill: stopped; .*\n\$\z/), 'Ctrl-C leaves nothing of it';
        $terminal->type("clear; echo few/1 | cat list - | ./hashmill put --from-file - --job many -n 1 >ids\n");
        ok $terminal->wait_for(qr{^1500/1501 files  ▕$cells+▏  99\.9 %}m), 'of a list from a pipe their number is known at its end';
        $terminal->type("\cC");
        $terminal->wait_for(qr/^\$\z/m);
        spew("$dir/long", slurp("$dir/list") . join '', map { sprintf "many/more/%04d\n", $_ } 1501 .. 2500);
        $terminal->type("clear; tail -f -n +1 long | ./hashmill put --from-file - --job many -n 1 >ids\n");
        ok $terminal->wait_for(qr{^1500 files   *[\d.]+ kB\z}m), 'and before there is a count only';
        $terminal->type("\cC");
        $terminal->wait_for(qr/^\$\z/m);
    });
    $terminal->type("clear; ./hashmill put -r many few --job many -n 1; echo code \$?\n");
    ok $terminal->wait_for(qr/^code 0\n\$\z/m), 'ids on the same terminal';
    my @ids = split /\n/, $terminal->screen(1) =~ s/\A.*?\n//sr =~ s/code 0\n\$\z//r;
    is scalar(grep { !/^[0-9a-f-]{36}$/ } @ids), 0, 'they are whole lines';
};

subtest 'without UTF-8, without colours' => sub {
    my $terminal = terminal(env => { LC_ALL => 'C', NO_COLOR => 1 });
    while_stopped(sub {
        $terminal->type("./hashmill put -r few --job plain -n 1\n");
        ok $terminal->wait_for(qr/^0\/3 files  \[ +\]   0\.0 %/m), 'brackets';
        unlike $terminal->output, qr/\e\[\d*m|[\x80-\xff]/, 'no colour';
        $terminal->type("\cC");
        $terminal->wait_for(qr/^\$\z/m);
    });
};

subtest 'lines' => sub {
    my $terminal = terminal(columns => 100, env => { TERM => 'dumb' });
    while_stopped(sub {
        $terminal->type("./hashmill put -r few --job lines -n 1 >ids; echo code \$?\n");
        ok $terminal->wait_for(qr/^hashmill: 0 of 3 files put, 18 B read$/m), 'TERM=dumb: a line';
    });
    ok $terminal->wait_for(qr/^hashmill: 3 of 3 files put, 18 B read(?:, .*)?\ncode 0\n\$\z/m), 'and one at the end';
    unlike $terminal->output, qr/\e/, 'no codes for a terminal';
    $terminal->type("clear; ./hashmill put -r few --job lines -n 1 >ids; echo code \$?\n");
    ok $terminal->wait_for(qr/-n 1 >ids; echo code \$\?\ncode 0\n\$\z/), 'no lines of what is over at once';
    for my $case (['--progress=line', 'line', qr/\Ahashmill: 0 of 3 files put, 18 B read\n\z/], ['-q', 'quiet', qr/\A\z/]) {
        my ($option, $job, $before) = @$case;
        my $signalled;
        while_stopped(sub {
            $terminal->type("clear; ./hashmill put $option -r few --job $job -n 1 >ids 2>err & echo \$! >pid\n");
            my $pid;
            ok wait_until(60, sub { ($pid) = (slurp("$dir/pid") // '') =~ /^(\d+)\n/ and -e "/proc/$pid" and
                (slurp("/proc/$pid/status") // '') =~ /^SigCgt:\s*\w*(\w{4})$/m && hex($1) >> 9 & 1 }), "$option: it runs";
            ok wait_until(60, sub { (slurp("$dir/err") // '') =~ $before }), 'what it says by itself';
            for (1 .. 30) { # in its first moments it knows nothing
                kill 'USR1', $pid;
                last if $signalled = wait_until(2, sub { (slurp("$dir/err") // '') =~ /(?:\A|\n)hashmill: 0 of 3 files put|hashmill: 0 files put|hashmill: 3 files put/ });
            }
            ok $signalled, 'SIGUSR1 prints a line';
            unlink "$dir/pid";
        });
        $terminal->type("wait; echo code \$?\n");
        ok $terminal->wait_for(qr/^code 0$/m), 'the end';
    }
};

finish();
