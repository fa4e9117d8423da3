# The load that scripts/bench puts on beanstalkd and Redis, by brokers that this test plays: each job is whole and waits
# for the answer to the one before, and what is counted is what was answered.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP qw(decode_json);
use Test::More;
use Hashmill;

use constant { CLIENTS => 3, HANGS_SECONDS => 60 };

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $body = random_body(300_000);
spew("$dir/body", $body);

my %protocols = (
    beanstalkd => { job => qr/put 0 0 60 (\d+)\r\n/, taken => sub ($number) { "INSERTED $number\r\n" },
        refused => "JOB_TOO_BIG\r\n" },
    Redis => { job => qr/\*3\r\n\$5\r\nRPUSH\r\n\$4\r\njobs\r\n\$(\d+)\r\n/, taken => sub ($number) { ":$number\r\n" },
        refused => "-MISCONF Errors writing to the AOF file\r\n" },
);

# Plays a broker until the program ends, and returns what was seen: clients, whole jobs, bytes that nobody expects.
# answer: what it sends for the job of that number, in pieces; () for nothing, undef to close the connection.
sub load ($name, $seconds, $count, $answer) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => CLIENTS) or die "listen: $!";
    my $process = Hashmill::Process->start(log => "$dir/" . ++state $number, command => [Hashmill::build_directory() . '/bench-put',
        $name, $listener->sockport, "$dir/body", CLIENTS, $seconds, $count]);
    my $select = IO::Select->new($listener);
    my %seen = (clients => 0, jobs => 0, wrong => 0);
    my (%text, %to_send);
    local $SIG{PIPE} = 'IGNORE';
    my $hangs_at = time + HANGS_SECONDS;
    while ($process->alive) {
        $process->kill('KILL') if time > $hangs_at;
        for my $socket ($select->can_read(0.01)) {
            if ($socket == $listener) {
                $select->add($listener->accept);
                $seen{clients}++;
                next;
            }
            if (!sysread $socket, $text{$socket}, 65536, length($text{$socket} // '')) {
                $select->remove($socket);
                next;
            }
            next if $text{$socket} !~ /\A$protocols{$name}{job}/ || length $text{$socket} < $+[0] + $1 + 2;
            $seen{wrong}++ if @{ $to_send{$socket} // [] } || $text{$socket} ne substr($text{$socket}, 0, $+[0]) . "$body\r\n";
            $text{$socket} = '';
            my @pieces = $answer->(++$seen{jobs});
            if (@pieces && !defined $pieces[0]) {
                $select->remove($socket);
                close $socket;
            }
            $to_send{$socket} = \@pieces;
        }
        for my $socket (grep { @{ $to_send{$_} // [] } } $select->handles) {
            syswrite $socket, shift $to_send{$socket}->@*;
        }
    }
    return { %seen, code => $process->exit_code, text => $process->log };
}

for my $name (sort keys %protocols) {
    my $protocol = $protocols{$name};
    my $taken = sub ($number) { split /(?<=.{3})/s, $protocol->{taken}->($number), 2 };

    subtest "$name: as many as were asked for" => sub {
        my $seen = load($name, 100, 40, $taken);
        is $seen->{code}, 0, 'ends well' or diag $seen->{text};
        my $result = decode_json($seen->{text});
        is $result->{requests}, 40, 'all are counted';
        cmp_ok $seen->{jobs}, '>=', 40, 'all were put';
        is $seen->{clients}, CLIENTS, 'by as many connections as were asked for';
        is $seen->{wrong}, 0, 'each whole, and after the answer to the one before';
        ok 0 < $result->{p50_ms} && $result->{p50_ms} <= $result->{p99_ms} && $result->{p99_ms} <= $result->{max_ms},
            'times in order';
        cmp_ok $result->{max_ms}, '<=', 1000 * $result->{seconds}, 'and within the run';
    };

    subtest "$name: for as long as was asked for" => sub {
        my $seen = load($name, 1, 1_000_000, $taken);
        is $seen->{code}, 0, 'ends well' or diag $seen->{text};
        my $result = decode_json($seen->{text});
        cmp_ok $result->{seconds}, '>=', 1, 'by its time';
        ok $result->{requests} <= $seen->{jobs} && $result->{requests} >= $seen->{jobs} - CLIENTS,
            'what was answered is counted';
    };

    my %bad = (refused => [sub ($number) { $number < 5 ? $taken->($number) : $protocol->{refused} }, qr/\Q$protocol->{refused}\E/],
        closed => [sub ($number) { $number < 5 ? $taken->($number) : undef }, qr/connection: /],
        silent => [sub ($) { () }, qr/no answer in 1\.\d s/]);
    for my $kind (sort keys %bad) {
        my ($answer, $said) = $bad{$kind}->@*;
        my $seen = load($name, $kind eq 'silent' ? 1 : 10, 1_000_000, $answer);
        is $seen->{code}, 1, "$name: $kind: is a failure";
        like $seen->{text}, qr/^bench-put: $said/, 'which is said';
    }
}

done_testing;
