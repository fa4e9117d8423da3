package Hashmill::Job;

# Code that runs beside the test in a process of its own: a client, or many of them.

use v5.36;
use parent 'Exporter';
use JSON::PP ();
use POSIX ();

our @EXPORT = qw(background parallel stopping);

my $codec = JSON::PP->new->utf8->allow_nonref;
my $stopping = 0;

# Whether the calling job was told to stop.
sub stopping { return $stopping }

# Runs the code in a new process. What it returns (a list of anything that JSON can carry) is the
# job's result; assertions belong in the test, not in the code.
sub background ($code) {
    pipe my $from, my $to or die;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        close $from;
        $SIG{USR1} = sub { $stopping = 1 };
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        srand;
        my @result = eval { $code->() };
        print {$to} $codec->encode($@ ? { died => "$@" } : { result => \@result });
        close $to;
        POSIX::_exit(0);
    }
    close $to;
    return bless { pid => $pid, from => $from, owner => $$ }, __PACKAGE__;
}

# Runs the code $count times at once, each with its number from 0; their results, each an array.
sub parallel ($count, $code) {
    my @jobs = map { my $number = $_; background(sub { $code->($number) }) } 0 .. $count - 1;
    return map { [$_->result] } @jobs;
}

# Tells the code to stop; it sees that by stopping().
sub stop ($self) { kill 'USR1', $self->{pid}; return $self }

# Whether its result is there, so that nobody has to wait for it.
sub ended ($self) {
    vec(my $ready = '', fileno $self->{from}, 1) = 1;
    return $self->{reaped} || select($ready, undef, undef, 0) > 0;
}

# Waits for the job and returns its result.
sub result ($self) {
    local $/ = undef;
    my $text = readline $self->{from};
    waitpid $self->{pid}, 0;
    $self->{reaped} = 1;
    my $answer = length $text ? $codec->decode($text) : { died => 'a job was killed' };
    die $answer->{died} if exists $answer->{died};
    return wantarray ? $answer->{result}->@* : $answer->{result}[0];
}

sub DESTROY ($self) {
    return if $self->{reaped} || $self->{owner} != $$;
    local ($?, $!);
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;
