package Hashmill::Authority;

# A certificate authority for a test, made by scripts/tls.sh, and what it signs. Certificates are named by their path
# without .pem and .key.

use v5.36;
use File::Temp qw(tempdir);
use FindBin ();

use Hashmill::Util;

my $script = "$FindBin::Bin/../../scripts/tls.sh";

sub new ($class) {
    my $self = bless { dir => tempdir('hm-tls-XXXXXX', TMPDIR => 1, CLEANUP => 1), made => 0 }, $class;
    $self->run('ca', $self->dir);
    return $self;
}

sub dir ($self) { return $self->{dir} }
sub ca ($self)  { return "$self->{dir}/ca.pem" }

# Runs tls.sh.
sub run ($self, @arguments) {
    system($script, @arguments) == 0 or die "tls.sh @arguments failed\n";
    return;
}

# A new directory for each call.
sub place ($self) { return "$self->{dir}/" . ++$self->{made} }

# A directory with the files of a node at 127.0.0.1, or of a worker; makes them again in $place, if given.
sub node ($self, $place = $self->place) {
    $self->run('node', $self->dir, $place, '127.0.0.1');
    return $place;
}

sub worker ($self, $place = $self->place) {
    $self->run('worker', $self->dir, $place);
    return $place;
}

# A client's certificate with any subject, valid for $days; a negative number makes an expired one.
sub client ($self, $subject, $days = 10) {
    my $path = $self->place;
    spew("$path.cnf", "extendedKeyUsage = clientAuth\n");
    openssl(qw(genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out), "$path.key");
    openssl(qw(req -new -multivalue-rdn -utf8 -key), "$path.key", '-subj', $subject, '-out', "$path.csr");
    openssl(qw(x509 -req -in), "$path.csr", '-CA', $self->ca, '-CAkey', "$self->{dir}/ca.key",
        '-days', $days, '-extfile', "$path.cnf", '-out', "$path.pem");
    return $path;
}

sub openssl (@arguments) {
    open my $pipe, '-|', 'sh', '-c', 'exec openssl "$@" 2>&1', 'sh', @arguments or die "openssl: $!\n";
    my $said = join '', <$pipe>;
    close $pipe or die "openssl @arguments: $said\n";
    return $said;
}

1;
