# Files of hashmill's own that were damaged: what it says, that what it says to do helps, and that nothing is doubled or lost.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use POSIX ();
use Test::More;
use Hashmill;
use Hashmill::Client;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my @files = $client->files(map { +"file$_" => "body $_" } 1 .. 5);
my @values = map { sha512_hex("body $_") } 1 .. 5;
my $journal = "$client->{dir}/state/hashmill/default";
my $out = "$client->{dir}/values";
my $config = "$client->{dir}/config/hashmill/config";

sub items { my $items = $mill->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

# What the verb says of a damaged file; it ends with that code and without waiting.
sub is_said ($said, $name, $code, @arguments) {
    my $done = $client->run(@arguments);
    is $done->{code}, $code, "$arguments[0]: $name";
    like $done->{err}, qr/\Ahashmill: .*$said.*\n\z/, 'one line says so, and what to do';
    is $done->{out}, '', 'nothing is printed';
    return;
}

subtest 'the journal of a job' => sub {
    my @put = ('put', @files, '-n', 1);
    my $ids = $client->run(@put)->{out};
    my $good = slurp($journal);
    my @lines = split /^/, $good;
    my %bad = (
        'a path that was changed' => [$good =~ s/file3/file4/r, qr/damaged in line \d+: keep a copy, cut it to its first \d+ lines \(head -n \d+\)/],
        'a NUL'                   => [$good =~ s/file3/f\0le3/r, qr/damaged in line 5: .*head -n 4/],
        'lines out of order'      => [join('', @lines[0 .. 3, 5, 4, 6 .. $#lines]), qr/damaged in line 5: .*head -n 4/],
        'a line that is gone'     => [join('', @lines[0 .. 3, 5 .. $#lines]), qr/damaged in line 5: .*head -n 4/],
        'a huge line'             => [$good . 'x' x 1e6, qr/damaged in line 13: .*head -n 12/],
        'another version'         => ["hashmill journal 1\n",
            qr/another version of hashmill \(1, and this is 2\): end its job with that version, or give --job another name/],
        'another file'            => ["my own notes\n", qr/is not a journal: move that file away, or give --job another name/],
        'one without lines'       => ["my own notes", qr/is not a journal: move that file away/],
    );
    for my $name (sort keys %bad) {
        my ($content, $said) = $bad{$name}->@*;
        spew($journal, $content);
        is_said($said, $name, 1, @put);
        is_said($said, $name, 1, 'wait', '--job', 'default');
        is slurp($journal), $content, 'the file is left as it is';
    }
    spew($journal, $bad{'a NUL'}[0]);
    my ($kept) = $client->run(@put)->{err} =~ /head -n (\d+)/;
    spew($journal, join '', @lines[0 .. $kept - 1]);
    my $done = $client->run(@put);
    is $done->{code}, 0, 'cut to the lines that are said it is good';
    is $done->{out}, $ids, 'the ids are the same';
    is items(), 5, 'no item is there twice';
    is $client->run('wait', '--job', 'default')->{out}, join('', map { "$values[$_]  $files[$_]\n" } 0 .. 4), 'no value is lost';
    rename $journal, "$journal-good";
    my %place = (
        'a directory'     => [sub { mkdir $journal }, qr/(?:must be a file|Is a directory)/],
        'a FIFO'          => [sub { POSIX::mkfifo($journal, 0600) }, qr/must be a file: move away what is there, or give --job another name/],
        'a symbolic link' => [sub { symlink "$journal-good", $journal }, qr/is a symbolic link, which is not followed: put the file itself there/],
    );
    for my $name (sort keys %place) {
        my ($make, $said) = $place{$name}->@*;
        $make->() or die "$name: $!";
        is_said($said, $name, 1, @put);
        is_said($said, $name, 1, 'wait', '--job', 'default');
        rmdir $journal or unlink $journal;
    }
    rename "$journal-good", $journal;
    is $client->run(@put)->{out}, $ids, 'and back in its place';
};

subtest 'a disk that gets full' => sub {
    my @many = $client->files(map { +"many$_" => "many $_" } 1 .. 100); # their journal is longer than 2 KiB
    my @put = ('put', @many, '-n', 2, '--job', 'full');
    my $items = items();
    my $full = $client->run({ wrap => ['/bin/bash', '-c', q(trap '' XFSZ; ulimit -f 2; exec "$@"), 'bash'] }, @put);
    is $full->{code}, 1, 'while the journal is written';
    like $full->{err}, qr/cannot write the journal .*full: File too large; make room and run this again/, 'is named, with the remedy';
    is items(), $items, 'nothing is sent that is not written down';
    is $client->run(@put)->{code}, 0, 'with room it goes on';
    is items(), $items + @many, 'each once';
};

subtest 'FILE.pull' => sub {
    $client->run('pull');
    $client->run('put', @files, '-n', 1, '--job', 'pulled');
    my %bad = (
        'nothing'          => '',
        'another text'     => "my own notes\n",
        'another version'  => "hashmill-pull 1\nkey " . '0' x 32 . "\nnode " . $mill->url . "\nclient \nform plain\ntop 1000\nlength 0\n",
        'NULs'             => "\0" x 4096,
        'a huge line'      => 'hashmill-pull ' . '2' x 1e6,
    );
    spew($out, "before\n");
    for my $name (sort keys %bad) {
        spew("$out.pull", $bad{$name});
        is_said(qr/values\.pull is not what a pull .*: move it away; .* missing in .*values: hashmill ls --state pulled has their ids/, $name, 1, 'pull', '--out', $out);
        is slurp($out), "before\n", 'the file is as it was';
    }
    unlink "$out.pull";
    POSIX::mkfifo("$out.pull", 0600) or die;
    is_said(qr/move it away/, 'a FIFO', 1, 'pull', '--out', $out);
    unlink "$out.pull";
    is $client->run('pull', '-q', '--out', $out)->{code}, 0, 'moved away';
    is join('', sort split /^/, slurp($out)), join('', sort { $a cmp $b } "before\n", map { "$_\n" } @values), 'each value comes once';
};

subtest 'settings' => sub {
    mkdir "$client->{dir}/config";
    mkdir "$client->{dir}/config/hashmill";
    my %bad = (
        'no equals sign'      => ["\n# a comment\nURL\n", qr/config line 3: a line must read KEY=VALUE/],
        'another name'        => ["URL=http://127.0.0.1\nURLS=x\n", qr/config line 2: URLS is not a setting; --help lists them/],
        'a NUL'               => ["URL=http://127.0.0.1\0:1\n", qr/config line 1: it has a NUL byte; this file must be a text/],
        'a huge line'         => ["\nURL=http://" . 'x' x 1e6, qr/config line 2: URL must be shorter than 1024 bytes/],
        'control characters'  => ["\e[2J=\r1\n", qr/config line 1: \\x1b\[2J is not a setting/],
    );
    for my $name (sort keys %bad) {
        spew($config, $bad{$name}[0]);
        is_said($bad{$name}[1], $name, 2, 'ls');
    }
    unlink $config;
    mkdir $config;
    is_said(qr/cannot read the settings file .*config: Is a directory/, 'a directory', 2, 'ls');
    rmdir $config;
};

finish();
