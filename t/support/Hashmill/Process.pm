package Hashmill::Process;

# A process that a test started, with its log.

use v5.36;
use POSIX qw(WNOHANG);

use Hashmill::Util;

# Starts command (an array) with env added to the environment, in cwd if given, both outputs
# appended to the file log.
sub start ($class, %options) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        eval { become(%options) };
        print {*STDERR} $@;
        POSIX::_exit(127);
    }
    return bless { pid => $pid, log => $options{log}, owner => $$ }, $class;
}

sub become (%options) {
    $SIG{$_} = 'DEFAULT' for qw(INT TERM PIPE);
    $ENV{$_} = $options{env}{$_} for keys $options{env}->%*;
    open STDIN, '<', '/dev/null' or die;
    open STDOUT, '>>', $options{log} or die "$options{log}: $!";
    open STDERR, '>&', \*STDOUT or die;
    if (defined $options{cwd}) { chdir $options{cwd} or die "$options{cwd}: $!" }
    my @command = $options{command}->@*;
    exec {$command[0]} @command or die "$command[0]: $!\n";
}

sub pid ($self) { return $self->{pid} }

# Whether it runs; keeps its exit status when it does not.
sub alive ($self) {
    return 0 if defined $self->{status};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $?;
    return 0;
}

sub kill ($self, $signal) {
    return $self->alive && CORE::kill($signal, $self->{pid});
}

# Its exit status as in $? when it ends within $seconds, else undef.
sub wait_exit ($self, $seconds) {
    wait_until($seconds, sub { !$self->alive });
    return $self->{status};
}

# Its exit code; undef while it runs or when a signal ended it.
sub exit_code ($self) {
    return if $self->alive || $self->{status} & 127;
    return $self->{status} >> 8;
}

sub log ($self) { return slurp($self->{log}) // '' }

1;
