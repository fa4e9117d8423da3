# The log of both programs: as JSON, whatever is in it, and with the priorities of systemd's journal.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP;
use Test::More;
use Hashmill;
use Hashmill::Util;

# Runs a program with these arguments and more in its environment: (exit code, output).
sub run_program ($mill, $program, $env, @arguments) {
    my $log = "$mill->{dir}/run-" . int(rand 1e9) . '.txt';
    spew($log, '');
    my ($device, $inode) = stat $log;
    my %env = map { $_ => $env->{$_} =~ s/DEVICE:INODE/$device:$inode/r } keys $env->%*;
    my $process = Hashmill::Process->start(log => $log, env => { $mill->environment->%*, %env },
        command => [$mill->program($program), @arguments]);
    $process->wait_exit(30);
    $process->kill('KILL');
    return ($process->exit_code, $process->log);
}

# The objects of a log, each line of it; undef for a line that is none.
sub objects ($log) {
    return map { scalar eval { JSON::PP->new->utf8->decode($_) } } split /\n/, $log;
}

my $mill = Hashmill->start(nginx => 0, port => 9, LOG_FORMAT => 'json', LOG_LEVEL => 'debug');
my $settings = "$mill->{dir}/json.env";
spew($settings, "LOG_FORMAT=json\n");

subtest 'JSON' => sub {
    my @lines = objects($mill->server_log);
    is scalar(grep { !$_ } @lines), 0, 'each line of the server is an object';
    my ($first) = grep { $_->{message} =~ /^hashmill / } @lines;
    is_deeply [sort keys $first->%*], [qw(level message pid program role time)], 'with these members';
    is "@$first{qw(level program role)}", 'info hashmill-fcgi master', 'and what they say';
    $mill->reload(LOG_FORMAT => 'text');
    like $mill->server_log, qr/Z hashmill-fcgi\[\d+\] master info: hashmill /, 'a reload goes back to texts';
    my $worker = $mill->start_worker(LOG_FORMAT => 'json'); # nobody is at its node
    wait_until(30, sub { $worker->log =~ /\n/ });
    my ($line) = objects($worker->log);
    is $line->{program}, 'hashmill-worker', 'a worker has it, too';
    $mill->stop_workers;
};

subtest 'what is wrong with settings' => sub {
    for my $program (qw(hashmill-fcgi hashmill-worker)) {
        my ($code, $output) = run_program($mill, $program, {}, '-t', '-c', $settings, '-c', "$mill->{dir}/\"\\\n\e[2J\xff\xc3\xa4");
        is $code, 1, "$program: a file with a hostile name";
        my @lines = objects($output);
        is scalar(@lines), 1, 'is one line';
        like $lines[0]{message}, qr{/"\\\n\e\[2J\x{fffd}\xe4}, 'which has that name';
        ($code, $output) = run_program($mill, $program, { HASHMILL_LOG_FORMAT => 'xml' }, '-t');
        is $code, 1, 'another form is refused';
        like $output, qr/LOG_FORMAT must be text or json/, 'and it says why';
    }
};

subtest 'the journal' => sub {
    for my $program (qw(hashmill-fcgi hashmill-worker)) {
        my @wrong = ('-t', '-c', "$mill->{dir}/none");
        like +(run_program($mill, $program, { JOURNAL_STREAM => 'DEVICE:INODE' }, @wrong))[1], qr/^<3>\d{4}-\S+ $program/,
            "$program: a priority for the journal";
        like +(run_program($mill, $program, { JOURNAL_STREAM => '1:1' }, @wrong))[1], qr/^\d{4}-\S+ $program/,
            'none when standard error is something else';
    }
};

finish();
