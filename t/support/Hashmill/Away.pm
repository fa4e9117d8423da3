package Hashmill::Away;

# A node of a pair that is away while hashmill works with both:
#
#     my $away = Hashmill::Away->new;             # a pair, a worker that belongs to neither node, and the client program
#     $away->run_over_kill(60);                   # hashmill run, one node killed on the way, back after that many seconds
#     $away->run_over_stop;                       # the same with a node that takes everything and answers nothing
#
# Both make assertions with Test::More.

use v5.36;
use Test::More;
use Time::HiRes qw(sleep time);

use Hashmill;
use Hashmill::Client;
use Hashmill::Pair;
use Hashmill::Util;

use constant { FILES => 3500, BATCH => 1000, ITERATIONS => 1000 };

sub new ($class) {
    my $pair = Hashmill::Pair->start;
    my ($here, $there) = $pair->nodes;
    my $client = Hashmill::Client->new($here, url => join ',', $here->url, $there->url);
    $client->{env}{HASHMILL_TEST_INSTANCE} = 'client'; # it lives on when a node is killed
    my @files = map { sprintf '%s/file%04d', $client->{dir}, $_ } 1 .. FILES;
    spew($_, "the body of $_") for @files;
    return bless { pair => $pair, worker => $pair->start_worker, here => $here, there => $there, client => $client, files => \@files,
        rounds => 0 }, $class;
}

# How many items a node has.
sub items ($node) { my $items = $node->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

# Starts hashmill run with its files named by a pipe, into which the test writes as many as it wants put.
sub start_run ($self) {
    my $client = $self->{client};
    my $job = 'round' . ++$self->{rounds};
    my $pipe = "$client->{dir}/$job.list";
    system('mkfifo', $pipe) == 0 or die "mkfifo: $!";
    open my $names, '+<', $pipe or die "$pipe: $!"; # with both ends open nobody waits
    $names->autoflush;
    my $run = $client->start({ input => $pipe }, 'run', '--from-file', '-', '--job', $job, '-n', ITERATIONS);
    open my $writing, '>', $pipe or die "$pipe: $!";
    $writing->autoflush;
    $self->{next} = 0;
    $self->{journal} = "$client->{dir}/state/hashmill/$job";
    $self->{before} = { map { $_ => items($_) } $self->{here}, $self->{there} };
    # The reader must have its own end before this one goes.
    ok wait_until(20, sub { -s $self->{journal} }), 'run begins';
    close $names;
    $self->{names} = $writing;
    return $run;
}

# Names as many files more to the run; all that are left ends the list.
sub name_files ($self, $count = FILES) {
    my @names = $self->{files}->@[$self->{next} .. ($self->{next} + $count > FILES ? FILES : $self->{next} + $count) - 1];
    print { $self->{names} } map { "$_\n" } @names;
    $self->{next} += @names;
    close $self->{names} if $self->{next} == FILES;
    return;
}

sub new_items ($self, $node) { return items($node) - $self->{before}{$node} }
sub sent ($self)             { return scalar(() = slurp($self->{journal}) =~ /^[0-9a-f]{8} >/mg) }

# How many requests nginx has handed to a pool of processes of a node and not got back.
sub under_way ($node, $pool = 'public') {
    my ($master) = $node->server_pids;
    return scalar(() = (slurp("/proc/$master/net/unix") // '') =~ m{ 0[23] +\d+ \Q$node->{settings}{RUN_DIR}\E/$pool\.sock$}mg);
}

# Brings a run to where the first node has answered one batch and has got another that it cannot answer: all its processes
# that answer are stopped.
sub run_to_unanswered ($self) {
    my ($here, $there) = @$self{qw(here there)};
    my $run = $self->start_run;
    $self->name_files(BATCH);
    ok wait_until(30, sub { $self->new_items($here) + $self->new_items($there) == BATCH }), 'the first files are put';
    is $self->new_items($here), BATCH, 'at the first node';
    kill 'STOP', $here->children('public');
    $self->name_files(BATCH);
    ok wait_until(30, sub { $self->sent >= 2 * BATCH && under_way($here) }), 'more are sent to it and not answered';
    return $run;
}

sub run_over_kill ($self, $seconds) {
    my ($here, $there, $client) = @$self{qw(here there client)};
    my $run = $self->run_to_unanswered;
    $here->kill_everything;
    my $killed = time;
    my $url = $here->url;
    ok wait_until(30, sub { $client->err($run) =~ /^hashmill: \Q$url\E: .*; trying again, first in/m }), 'run says which node does not answer';
    $self->name_files(BATCH);
    ok wait_until(30, sub { $self->new_items($there) == BATCH }), 'the other node gets what comes then';
    $self->name_files;
    ok wait_until(30, sub { $self->new_items($there) == FILES - 2 * BATCH }), 'and the rest';
    my $said = 'since \d\d:\d\d:\d\d: 1000 files were sent there, and it alone knows whether it has them';
    ok wait_until(30, sub { $client->err($run) =~ /^hashmill: waiting for \Q$url\E, which has given no answer $said/m }),
        'run says how many files wait for the node that is away, and since when';
    ok $there->wait_away, 'the other node has noticed it, too';
    ok $there->wait_computed, 'and has its own computed meanwhile';
    sleep 1 while time < $killed + $seconds;
    is kill(0, $run->{pid}), 1, 'run waits';
    $here->restart;
    $self->check_run($run, $url);
    return;
}

sub run_over_stop ($self) {
    my ($here, $there, $client) = @$self{qw(here there client)};
    my $run = $self->run_to_unanswered;
    my @stopped = $here->pids;
    kill 'STOP', @stopped;
    my $begun = time;
    my $url = $here->url;
    $self->name_files(BATCH);
    ok wait_until(30, sub { $self->new_items($there) == BATCH }), 'the other node gets what comes then';
    note sprintf 'after %.1f s', time - $begun;
    sleep 1; # the silent one could be asked again by now
    $self->name_files;
    ok wait_until(10, sub { $self->new_items($there) == FILES - 2 * BATCH }), 'and does not wait for the one that is silent';
    ok wait_until(30, sub { $client->err($run) =~ /^hashmill: waiting for \Q$url\E, which has given no answer since [\d:]+: 1000 files/m }),
        'run says how many files wait for the node that is silent';
    kill 'CONT', @stopped;
    $self->check_run($run, $url);
    return;
}

# The end of a run, with every file's value once and no item twice.
sub check_run ($self, $run, $url) {
    my $client = $self->{client};
    my $done = $client->end($run, undef, 200);
    is $done->{code}, 0, 'run goes on to the end';
    is scalar(my @lines = $client->lines($done)), FILES, 'with a line for each file';
    is_deeply [map { (split /  /)[1] } @lines], $self->{files}, 'in their order';
    my @wrong = grep { (split /  /, $lines[$_])[0] ne value_of(slurp($self->{files}[$_]), ITERATIONS) } 0 .. $#lines;
    is_deeply \@wrong, [], 'every value is right';
    like $done->{err}, qr/^hashmill: \Q$url\E: answers again after \d+ s$/m, 'the node is back';
    ok $self->{pair}->wait_together, 'the nodes hear each other';
    is $self->new_items($self->{here}) + $self->new_items($self->{there}), FILES, 'no item was put twice';
    note $done->{err};
    return;
}

1;
