package Postgres;

# A server of PostgreSQL to throw away, with the schema, for tests of SQL: what psql prints, and the statements of
# sql/postgres/ by their names.

use v5.36;
use Exporter   qw(import);
use FindBin;
use IPC::Open2 qw(open2);

our @EXPORT_OK = qw(start_postgres psql statements statement session slurp);

my $root = "$FindBin::Bin/../..";
my ($server, $orders, $host, $port);

sub slurp ($path) {
    open my $file, '<', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar <$file>;
}

# Starts the server; false when there is none on this machine.
sub start_postgres {
    $server = open2(my $answers, $orders, "$root/t/support/postgres");
    chomp(my $hello = <$answers>);
    return 0 if $hello eq 'none';
    say {$orders} 'start sql';
    ($host, $port) = <$answers> =~ /^ok (\S+) (\d+)/ or die "no server\n";
    $host =~ s/%2F/\//g;
    psql("CREATE SCHEMA hashmill;\n" . slurp("$root/sql/postgres/schema_1.sql"));
    return 1;
}

# Ends it.
END {
    my $code = $?;
    close $orders if $orders;
    waitpid $server, 0 if $server;
    $? = $code;
}

# Runs SQL in a session of its own, which ends at the first error. Returns what it printed.
sub psql ($sql) {
    my $to = open2(my $out, my $in, 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', $host, '-p', $port, '-U', 'postgres', 'postgres');
    print {$in} "SET search_path = hashmill, pg_temp;\n$sql";
    close $in;
    my $said = do { local $/ = undef; <$out> } // '';
    waitpid $to, 0;
    die "psql failed: $said\n" if $?;
    return $said;
}

# The statements that take parameters or read tables: name => [types, text without the last semicolon].
sub statements {
    my %found;
    for my $file (grep { !m{/(?:schema_\d+|migrations|connection)\.sql$} } glob "$root/sql/postgres/*.sql") {
        my (undef, %named) = split /^-- name: (\w+)\n/m, slurp($file);
        for my $name (keys %named) {
            my ($takes) = $named{$name} =~ /^-- takes: (.*)$/m;
            my $text = $named{$name} =~ s/^\s*--.*\n//gmr =~ s/;\s*$//r;
            $found{$name} = [$takes // '', $text] if $name ne 'batch_plans';
        }
    }
    return %found;
}

# SQL that prepares a statement under its name.
sub statement ($name, $takes, $text) {
    my $types = $takes =~ s/ /, /gr;
    return "PREPARE $name" . ($types ? "($types)" : '') . " AS $text;\n";
}

# SQL that makes a session plan as the writer's does; it prints nothing.
sub session {
    my ($plans) = slurp("$root/sql/postgres/batch.sql") =~ /^-- name: batch_plans\n(.*?);/ms;
    return "\\o /dev/null\n$plans;\n\\o\n";
}

1;
