# The command lines that README.md and docs/client.md show are pasted into a shell, in their order, and work.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Client;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my $worker = $mill->start_worker;
$client->files('one.bin' => 'one', 'two.bin' => 'two');
mkdir "$client->{dir}/build" or die;
symlink $client->program, "$client->{dir}/build/hashmill" or die;
my %value = map { $_ => value_of($_, 1_000_000) } qw(one two);

# The lines of code of a page that call the client program.
sub lines_of ($page) {
    return grep { m{^(?:build/)?hashmill |; build/hashmill run} } map { /^    (.*)/ ? $1 : () } split /\n/, slurp("$FindBin::Bin/../../$page");
}

# Runs a line as it stands, but for what is of the reader's own.
sub paste ($line, $value = '') {
    $line =~ s{https://a\.example\.org,https://b\.example\.org}{${\$mill->url}};
    $line =~ s/6e903889ad6b\.\.\./$value/;
    $line =~ s/^(hashmill pull .*) -f\b/$1/; # which does not end
    my $done = $client->run({ cwd => $client->dir, wrap => ['bash', '-c', 'PATH=$PWD/build:$PATH; eval "$1"'] }, $line);
    is $done->{code}, 0, $line;
    return $done->{out};
}

subtest 'README.md' => sub {
    my @lines = lines_of('README.md');
    is scalar(@lines), 1, 'one is to be pasted';
    my $out = paste(@lines);
    is $out, value_of(slurp("$client->{dir}/file"), 1_000_000) . "  file\n", 'a value, as README says';
};

subtest 'docs/client.md' => sub {
    my %done;
    for my $line (lines_of('docs/client.md')) {
        my ($verb) = $line =~ /hashmill (\w+)/;
        spew("$client->{dir}/values", "$value{one}  one.bin\n") if $line =~ /from-file values/;
        my $out = paste($line, value_of(slurp("$client->{dir}/file"), 1_000_000));
        is $out, "$value{one}  one.bin\n$value{two}  two.bin\n", 'the values of both files' if $line =~ /run \*/;
        like slurp("$client->{dir}/values"), qr/ \Q$value{two}\E\n/, 'the values are in the file' if $verb eq 'pull';
        $done{$verb}++;
    }
    is join(' ', sort keys %done), 'pull put run verify wait', 'these verbs are shown';
};

finish();
