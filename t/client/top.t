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
    ok $terminal->wait_for(qr/^here-\w+ +2  \S+ /m), 'the worker comes';
    $terminal->resize(30, 8);
    ok $terminal->wait_for(qr/^items       .{1,15}\.\.\.$|^items       .{1,17}\x{2026}$/m), 'a narrow window: lines are cut';
    is scalar(grep { length > 30 } split /\n/, $terminal->screen), 0, 'none is longer';
    $terminal->resize(100, 24);
    ok $terminal->wait_for(qr/^here-/m), 'a large one again';
    $mill->{server}->kill('STOP'); # nginx takes the calls, and nobody answers
    $terminal->type('q');
    $terminal->wait_for(qr/^code \d+\n\$\z/m);
    $mill->{server}->kill('CONT');
    like $terminal->screen, qr/\A\$ echo before.*\nbefore\ncode 0\n\$\z/s, 'q: the screen is as before';
    $terminal->type("stty -a | grep -o ' echo '\n");
    ok $terminal->wait_for(qr/^ echo$/m), 'and the terminal shows again what is typed';
    $terminal->type("clear; $program top; echo code \$?\n");
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       /), 'again';
    $mill->stop_nginx;
    ok $terminal->wait_for(qr/^hashmill: \Q${\$mill->url}\E: .*/m), 'a node that is gone: it says so';
    $mill->start_nginx;
    ok $terminal->wait_for(qr/\Ahashmill .*\n\nitems       /), 'and goes on when it is back';
    $terminal->type("\cC");
    ok $terminal->wait_for(qr/^code 130\n\$\z/m), 'Ctrl-C';
};

finish();
