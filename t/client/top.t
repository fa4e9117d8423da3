# hashmill top: the queue on a terminal, until q or Ctrl-C; once into a pipe.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP qw(decode_json);
use Test::More;
use Hashmill;
use Hashmill::Client;
use Hashmill::Terminal;
use Hashmill::Util;

binmode $_, ':utf8' for Test::More->builder->output, Test::More->builder->failure_output;
my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
$mill->enqueue("body $_", 9_000_000_000) for 1, 2;

subtest 'a pipe' => sub {
    my $done = $client->run('top');
    is $done->{code}, 0, 'once';
    is $done->{err}, '', 'no message';
    like $done->{out}, qr/\Ahashmill \S+   \Q${\$mill->url}\E   node 0   \d\d:\d\d:\d\d\n/, 'the node';
    like $done->{out}, qr/^items       2 waiting   0 leased   0 done   0 pulled   0 cancelled\n/m, 'the items';
    like $done->{out}, qr/^remaining   1[78]\.\d G iterations.*\n/m, 'the work';
    like $done->{out}, qr/^last 60s +\S+ +0 +0 +\S+( \w)?\n/m, 'rates';
    unlike $done->{out}, qr/^running/m, 'nothing runs';
    unlike $done->{out}, qr/[^\n -~]/, 'text only';
    $done = $client->run('top', '--json');
    my $stats = decode_json($done->{out});
    is $stats->{type}, 'stats', '--json: an object';
    is $stats->{items}{waiting}, 2, 'as the node says it';
    is $client->run('top', 'more')->{code}, 2, 'takes no argument';
};

subtest 'a terminal' => sub {
    my $missing = Hashmill::Terminal::missing();
    plan skip_all => $missing if $missing;
    my $terminal = Hashmill::Terminal->start(columns => 100, in => $client->dir, env => { HASHMILL_URL => $mill->url });
    my $program = $client->program;
    $terminal->type("echo before; $program top; echo code \$?\n");
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       2 waiting /), 'a screen of its own';
    $mill->enqueue('body 3', 9_000_000_000);
    ok $terminal->wait_for(qr/^items       3 waiting /m), 'it goes on';
    my $worker = $mill->start_worker(WORKER_NAME => 'here');
    ok $terminal->wait_for(qr/^here-\w+ +\d+ +(?:\S+ \w|\d+) +2  /m), 'the worker comes';
    my $item = qr/\x{2595}[\x{2588}-\x{258f} ]{8,}\x{258f} +\d+\.\d %  +(?:-|[\w]+)  +(?:-|[\d.]+ [kM])  here-\w+/;
    ok $terminal->wait_for(qr/^running +done +ETA +it\/s  worker\n(?:[0-9a-f-]{36}  $item\n?){3}\z/m), 'what runs: id, bar, ETA, rate, worker';
    $terminal->resize(40, 8);
    ok $terminal->wait_for(qr/\Ahashmill .*\nitems       0 waiting   3 leased\nremaining .*\na second .*\nlast 10s .*\nrunning +ETA .*\n +\d+\.\d %.*\z/),
        'a small window: what matters most, in whole words';
    is scalar(grep { length > 40 } split /\n/, $terminal->screen), 0, 'no line is longer';
    $terminal->resize(80, 24);
    ok $terminal->wait_for(qr/^workers .{63} seen UTC$/m), '80 columns: each of them is used';
    $terminal->resize(100, 24);
    ok $terminal->wait_for(qr/^running .*\n(?:.*\n?){3}\z/m), 'a large one again';
    kill 'STOP', my @stopped = $mill->server_pids; # nginx takes the calls, and nobody answers
    $terminal->type('q');
    $terminal->wait_for(qr/^code \d+\n\$\z/m);
    kill 'CONT', @stopped;
    like $terminal->screen, qr/\A\$ echo before.*\nbefore\ncode 0\n\$\z/s, 'q: the screen is as before';
    $terminal->type("stty -a | grep -o ' echo '\n");
    ok $terminal->wait_for(qr/^ echo$/m), 'and the terminal shows again what is typed';
    $terminal->type("clear; $program top; echo code \$?\n");
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       /), 'again';
    $mill->stop_nginx;
    ok $terminal->wait_for(qr/^trouble     no answer for [4-9] s; \Q${\$mill->url}\E: .*/m), 'a node that is gone: it says so';
    ok $terminal->wait_for(qr/^trouble     no answer for \d\d s; /m), 'and for how long';
    $mill->start_nginx;
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       /), 'and goes on when it is back';
    kill 'STOP', @stopped = $mill->server_pids;
    ok $terminal->wait_for(qr/^trouble     no answer for \d+ s$/m), 'a node that takes calls and does not answer';
    kill 'CONT', @stopped;
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       /), 'it goes on';
    $terminal->type("\cC");
    ok $terminal->wait_for(qr/^code 130\n\$\z/m), 'Ctrl-C';
};

subtest 'a pipe while items run' => sub {
    plan skip_all => 'no worker without a terminal' if Hashmill::Terminal::missing();
    my $out = $client->run('top')->{out};
    like $out, qr/^running .*\n(?:[0-9a-f-]{36}  .*  here-\w+\n){3}\z/m, 'they are listed';
    unlike $out, qr/\e/, 'without codes for a terminal';
    my @lines = map { decode_json($_) } $client->lines($client->run('top', '--json'));
    is join(' ', map { $_->{type} } @lines), 'stats running running running', '--json: an object for each';
    like $lines[1]{worker}, qr/^here-/, 'as the node says it';
};

finish();
