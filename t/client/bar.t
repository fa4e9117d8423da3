# The progress bar in a real terminal: how it starts, moves, follows the size of its window and leaves; and what there
# is where no bar can be drawn. What it says in each width is in t/unit/client/bar.c.

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

my $program = './hashmill'; # in the directory of the test
my $wrong = '0' x 128;
my $dir = File::Temp::tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
symlink Hashmill::build_directory() . '/hashmill', "$dir/hashmill" or die;
spew("$dir/abc", 'abc');
# Works for days. A script, so that the command line has room in a narrow terminal.
spew("$dir/long", "exec $program verify $dir/abc 1000000000000 $wrong\n");

my $number = qr/\d+(?:\.\d+)? [kM]/;
my $cells = qr/[█▏▎▍▌▋▊▉ ]/;
my $percent = qr/ {2,3}0\.\d %/; # of that much it will not do more
my $wide = qr/▕$cells{20,40}▏$percent  [ ]*$number it\/s  ETA \d+d\d\dh \((?:\d+|\w+) [\w:]+\)/;
my $wider = qr/▕$cells{20,40}▏$percent  [ ]*$number\/1\.00 T it  [ ]*$number it\/s  ETA \d+d\d\dh \((?:\d+|\w+) [\w:]+\)/;
my $narrow = qr/▕$cells{10,30}▏$percent  ETA \d+d\d\dh/;
my $least = qr/▕$cells{7}▏$percent/;

# A terminal in the directory of the test, with the command under way when it is given.
sub terminal ($command = undef, %options) {
    my $terminal = Hashmill::Terminal->start(in => $dir, %options);
    $terminal->record;
    $terminal->type("$command\n") if $command;
    return $terminal;
}

# Waits until the program runs whose id a shell has written into the file, and knows what to do at SIGUSR1.
sub wait_for_program {
    my $pid;
    return ok wait_until(60, sub {
        ($pid) = (slurp("$dir/pid") // '') =~ /^(\d+)\n/ or return 0;
        my ($caught) = (slurp("/proc/$pid/status") // '') =~ /^SigCgt:\s*(\w+)/m or return 0;
        return hex(substr $caught, -4) >> 9 & 1;
    }), 'it runs';
}

subtest 'start, a smaller and a larger window, Ctrl-C' => sub {
    my $terminal = terminal('echo before; sh long');
    my $screen = $terminal->wait_for(qr/$wide$/);
    like $screen, qr/\A\$ echo before; sh long\nbefore\n$wide\z/, '80 columns: one line, below what was there';
    $terminal->resize(40);
    ok $terminal->wait_for(qr/$narrow\z/), '40 columns';
    like $terminal->screen(1), qr/\A\$ echo before; sh long\nbefore\n$narrow\z/, 'one line';
    $terminal->resize(20);
    ok $terminal->wait_for(qr/$least\z/), '20 columns';
    like $terminal->screen(1), qr/\A\$ echo before; sh lo\nng\nbefore\n$least\z/, 'one line';
    $terminal->resize(110);
    $screen = $terminal->wait_for(qr/$number\/1\.00 T it /);
    my ($first) = $screen =~ m{([\d.]+ [kM])/1\.00 T};
    ok $terminal->wait_for(qr{(?!\Q$first\E)$number/1\.00 T it }), 'with 110 columns the iterations are seen to move';
    like $terminal->screen(1), qr/\A\$ echo before; sh long\nbefore\n.*\z/, 'nothing is left of the other sizes';
    $terminal->type("\cC");
    $terminal->wait_for(qr/^\$\z/m);
    $terminal->type("echo code \$?\n");
    $terminal->wait_for(qr/^code \d+\n\$\z/m);
    is $terminal->screen(1), "\$ echo before; sh long\nbefore\n\$ echo code \$?\ncode 130\n\$",
        'Ctrl-C leaves nothing of the bar, and the exit code is 130';
};

subtest 'one write a drawing, ten a second at most, with the end of the line cleared behind the text' => sub {
    my $terminal = terminal('sh long');
    $terminal->wait_for(qr/$wide$/);
    my ($before, $since) = (length $terminal->output, time);
    wait_until(60, sub { time >= $since + 3 });
    my @draws = split /\r/, substr $terminal->output, $before;
    cmp_ok scalar @draws, '<=', 10 * (time - $since + 1) + 1, 'drawings';
    cmp_ok scalar @draws, '>', 2, 'it moves';
    unlike $terminal->output, qr/\e\[2J|\e\[J|\e\[\?25l/, 'no clearing of the screen, no hidden cursor';
    $terminal->type("\cC");
};

subtest 'messages and other output' => sub {
    my $terminal = terminal('sh long & pid=$!; echo $pid >pid', columns => 110);
    wait_for_program();
    my $printed;
    for (1 .. 30) { # in its first moments it knows nothing
        $terminal->type("kill -USR1 \$pid\n");
        last if $printed = wait_until(2, sub { $terminal->screen =~ /hashmill: .* iterations \(0\.\d %\)/ });
    }
    ok $printed, 'SIGUSR1 has a line printed';
    unlike $terminal->screen, qr/▕/, 'no bar is drawn';
    $terminal->type("fg\n");
    ok $terminal->wait_for(qr/^sh long\n$wider\z/m), 'in the foreground there is one';
    $terminal->type("\cZ");
    ok $terminal->wait_for(qr/\n\$\z/), 'stopped';
    $terminal->type("clear; kill -USR1 \$pid; fg\n");
    my $line = qr/hashmill: 0 of 1 item, $number of 1\.00 T iterations \(0\.\d %\), $number it\/s, ETA \d+d\d\dh \(.*\)/;
    like $terminal->wait_for(qr/$line\n$wider\z/m), qr/\Ash long\n$line\n$wider\z/, 'the line is above the bar';
    $terminal->type("\cC");
    ok $terminal->wait_for(qr/\n\$\z/), 'the end';
};

subtest 'values of several files' => sub {
    my $terminal = terminal();
    my $list = '';
    for my $number (1 .. 3) {
        spew("$dir/file $number", "body $number");
        $list .= ($number < 3 ? value_of("body $number", 1000) : $wrong) . "  file $number\n";
    }
    spew("$dir/list", $list);
    $terminal->type("$program verify -n 1000 --from-file list; echo code \$?\n");
    my $screen = $terminal->wait_for(qr/^code \d+$/m);
    like $screen, qr/^file 1: OK\nfile 2: OK\nfile 3: DIFFERENT\nhashmill: .*\ncode 7\n\$\z/m, 'whole lines, in their order';
};

subtest 'no bar' => sub {
    unlink "$dir/pid";
    unlink "$dir/pid";
    my $terminal = terminal("sh long 2>err & pid=\$!; echo \$pid >pid");
    wait_for_program();
    $terminal->type("kill -USR1 \$pid\n");
    ok wait_until(60, sub { (slurp("$dir/err") // '') =~ /\n\z/ }), 'SIGUSR1 has a line printed into a file';
    like slurp("$dir/err"), qr/\Ahashmill: [^\n\e\r]+\n\z/, 'and that is all there is';
    $terminal->type("kill -INT \$pid; wait \$pid; echo code \$?\n");
    ok $terminal->wait_for(qr/^code 130$/m), 'interrupted';
    like slurp("$dir/err"), qr/\A[^\n\e\r]+\n\z/, 'no line at the end';

    $terminal = terminal('sh long', env => { TERM => 'dumb' });
    ok $terminal->wait_for(qr/^hashmill: .* iterations \(0\.\d %\)/m), 'TERM=dumb: lines';
    $terminal->type("\cC");
    ok $terminal->wait_for(qr/\n\$\z/), 'the end';
    unlike $terminal->output, qr/\e|\r(?!\r*\n)/, 'and no codes for a terminal';
};

subtest 'looks' => sub {
    my $terminal = terminal('sh long', env => { NO_COLOR => 1 });
    ok $terminal->wait_for(qr/$wide\z/), 'NO_COLOR: a bar';
    unlike $terminal->output, qr/\e\[\d*m/, 'without colours';
    $terminal->type("\cC");
    $terminal = terminal('sh long', env => { LC_ALL => 'C' });
    ok $terminal->wait_for(qr/^\[[# ]+\]$percent  [ ]*$number it\/s  ETA /m), 'without UTF-8: # and brackets';
    like $terminal->output, qr/\e\[32m/, 'with colours';
    unlike $terminal->output, qr/[\x80-\xff]/, 'ASCII only';
    $terminal->type("\cC");
};

subtest 'run' => sub {
    my $mill = Hashmill->start;
    my $terminal = terminal(undef, columns => 120, env => { HASHMILL_URL => $mill->url });
    $terminal->type("$program run abc -n 9000000000\n");
    ok $terminal->wait_for(qr{^▕ +▏   0\.0 %       1/9\.00 G it  no worker has it yet\z}m), 'without a worker';
    my $worker = $mill->start_worker;
    my $seen = $terminal->wait_for(qr{^▕$cells+▏$percent  [ ]*$number/9\.00 G it  [ ]*$number it/s  ETA \w+ \(.*\)\z}m);
    ok $seen, 'iterations, rate and ETA';
    my ($iterations) = $seen =~ m{(\S+ \w)/9};
    ok $terminal->wait_for(qr{▏$percent  [ ]*(?!\Q$iterations\E)\S+ \w/9\.00 G it }), 'it moves';
    $terminal->type("\cC");
    ok $terminal->wait_for(qr/\n\$\z/), 'the end';
    my @lines = split /\n/, $terminal->screen(1);
    is_deeply [grep { !/^\$/ } @lines],
        ["hashmill: the items stay in the queue; to go on: $program run abc -n 9000000000"], 'Ctrl-C says how to go on';
    $terminal->type("$program run abc -n 3000000; echo code \$?\n");
    $terminal->wait_for(qr/^code \d+\n\$\z/m);
    like $terminal->screen, qr/\n[0-9a-f]{120}\n[0-9a-f]{8}  abc\ncode 0\n\$\z/, 'a value, and nothing else';
    undef $terminal;
    finish();
};

done_testing();
