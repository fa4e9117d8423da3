package Hashmill::Client;

# The program hashmill in a test's hand, with a home of its own:
#
#     my $client = Hashmill::Client->new($mill);                # or ->new($mill, url => '...', key => $key, program => PATH)
#     my $done = $client->run('put', $file, '-n', 5);           # what it has printed, and its exit code
#     is $done->{code}, 0; is $done->{out}, ...; is $done->{err}, '';
#     my $run = $client->start('run', $file, '-n', 1e9);        # in the background
#     $client->end($run, 'INT');                                # a signal; waits; like run
#
# A hash as the first argument has options: stdin => text, env => { more of the environment }, cwd,
# input and output: a path, output also a handle.

use v5.36;
use File::Temp qw(tempdir);
use POSIX ();
use Time::HiRes ();

use Hashmill::Util;

sub new ($class, $mill, %options) {
    my $dir = tempdir('hm-client-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { mill => $mill, dir => $dir, number => 0, program => $options{program}, env => {
        $mill ? $mill->environment->%* : (), HOME => $dir, XDG_STATE_HOME => "$dir/state", XDG_CONFIG_HOME => "$dir/config",
        HASHMILL_URL => $options{url} // $mill->url, HASHMILL_KEY_FILE => '',
    } }, $class;
    if ($options{key}) {
        spew("$dir/key", "$options{key}\n");
        chmod 0600, "$dir/key";
        $self->{env}{HASHMILL_KEY_FILE} = "$dir/key";
    }
    return $self;
}

sub dir ($self)     { return $self->{dir} }
sub program ($self) { return $self->{program} // ($self->{mill} ? $self->{mill}->program('hashmill') : Hashmill::build_directory() . '/hashmill') }

# Writes files into its directory; returns their paths.
sub files ($self, %content) {
    return map { spew("$self->{dir}/$_", $content{$_}); "$self->{dir}/$_" } sort keys %content;
}

# Writes the journal of a job, with the sum of all lines so far before each (client/files/journal.h).
sub write_journal ($self, $job, @lines) {
    my $sum = 2166136261;
    my $text = "hashmill journal 2\n";
    for my $line (@lines) {
        $sum = (($sum ^ ord) * 16777619) & 0xffffffff for split //, $line;
        $text .= sprintf "%08x %s\n", $sum, $line;
    }
    spew("$self->{dir}/state/hashmill/$job", $text);
}

sub start ($self, @arguments) {
    my %options = ref $arguments[0] ? shift(@arguments)->%* : ();
    my $base = "$self->{dir}/run-" . ++$self->{number};
    spew("$base.in", $options{stdin} // '');
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        eval { become($self, $base, \%options, @arguments) };
        POSIX::_exit(127);
    }
    return { pid => $pid, base => $base };
}

sub become ($self, $base, $options, @arguments) {
    $SIG{$_} = 'DEFAULT' for qw(INT TERM PIPE);
    delete $ENV{$_} for grep { /^HASHMILL_/ } keys %ENV;
    my %env = ($self->{env}->%*, ($options->{env} // {})->%*);
    $ENV{$_} = $env{$_} for keys %env;
    open STDIN, '<', $options->{input} // "$base.in" or die;
    open STDOUT, ref $options->{output} ? '>&' : '>', $options->{output} // "$base.out" or die;
    open STDERR, '>', "$base.err" or die;
    if (defined $options->{cwd}) { chdir $options->{cwd} or die }
    my @command = (($options->{wrap} // [])->@*, $self->program, @arguments);
    exec {$command[0]} @command or die;
}

# Waits for the end, at most some seconds, after a signal if one is given. The code is undef when a signal has ended it.
sub end ($self, $run, $signal = undef, $seconds = 60) {
    kill $signal, $run->{pid} if $signal;
    my $ended = wait_until($seconds, sub { waitpid($run->{pid}, POSIX::WNOHANG()) == $run->{pid} && do { $run->{status} = $?; 1 } });
    if (!$ended) {
        kill 'KILL', $run->{pid};
        waitpid $run->{pid}, 0;
    }
    my $killed = !$ended || $run->{status} & 127;
    return { code => $killed ? undef : $run->{status} >> 8, out => $self->out($run), err => slurp("$run->{base}.err") };
}

sub out ($self, $run) { return slurp("$run->{base}.out") // '' }
sub err ($self, $run) { return slurp("$run->{base}.err") // '' }

sub run ($self, @arguments) { return $self->end($self->start(@arguments)) }

# The lines of what a run has printed.
sub lines ($self, $done) { return split /\n/, $done->{out} }

1;
