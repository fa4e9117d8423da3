# The judge of a soak finds what is wrong with a history, in made-up ones with one thing wrong each. And the schedule of
# a soak is a function of the seed, with enough of each fault.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use List::Util qw(min);
use Storable qw(dclone);
use Test::More;

use Hashmill::Soak::Clients;
use Hashmill::Soak::History;
use Hashmill::Soak::Judge;
use Hashmill::Soak::Schedule;
use Hashmill::Util;

my $clock = 0;

# One entry; each begins after the one before.
sub entry ($op, %fields) { return { op => $op, by => 'somebody', begin => ++$clock, end => $clock + 0.5, %fields } }

sub id_of ($number) { return sprintf '01a20ad5-c32f-71c5-8024-%012d', $number }

my @keys = qw(zero one two three);
my @n = (1, 10, 200, 1_000_000_000_000_000);
my @digests = map { sha512_hex(asked_body($_)) } @keys;
my @values = map { value_of(asked_body($keys[$_]), $n[$_]) } 0 .. 2;

sub enqueue ($number, %other) {
    return entry('enqueue', key => $keys[$number], n => $n[$number], node => 0, status => 201, id => id_of($number),
        digest => $digests[$number], %other);
}

sub listed ($number) { return [id_of($number), $values[$number], $n[$number]] }

sub pull ($key, @numbers) {
    return entry('pull', key => $key, top => 10, order => 'latest', node => 1, status => 200, items => [map { listed($_) } @numbers]);
}

sub look ($number, $state, $remaining, %other) {
    return entry('look', id => id_of($number), node => 0, home => 0, status => 200, state => $state, remaining => $remaining,
        iterations => $n[$number], %other);
}

sub row ($node, $number, %other) {
    my $done = $number < 3;
    return entry('row', node => $node, id => id_of($number), state => $done ? 'pulled' : 'cancelled', iterations => $n[$number],
        remaining => $done ? 0 : 77, chain => $done ? $values[$number] : $digests[$number], digest => $digests[$number], %other);
}

sub counters ($op, $node) {
    return entry($op, node => $node, moment => 'at rest', items => { waiting => 0, leased => 0, done => 0, pulled => 3, cancelled => 1 },
        remaining => 0);
}

# A history with nothing wrong, in which everything happens.
sub good {
    $clock = 0;
    return (
        entry('enqueue', key => 'zero', n => 1, node => 0, status => 599),
        (map { enqueue($_) } 0 .. 3), enqueue(1),
        entry('enqueue', key => 'never', n => 5, node => 0, status => 503),
        pull('first'), look(1, 'leased', 9), look(1, 'leased', 4), look(1, 'done', 0, value => $values[1]),
        pull('first', 1, 0), pull('second', 2), pull('first', 1, 0), pull('third'),
        look(2, 'pulled', 0, value => $values[2]), look(3, 'leased', 1000), look(3, 'leased', 77),
        entry('cancel', id => id_of(3), node => 0, home => 0, status => 503),
        entry('cancel', id => id_of(3), node => 0, home => 0, status => 204),
        entry('cancel', id => id_of(2), node => 0, home => 0, status => 409),
        entry('lie', lie => 'ids', node => 0, status => 200, allowed => [200], false => ['a', 'b'], taken => [], lost => ['a', 'b']),
        entry('lie', lie => 'large', node => 0, status => 413, allowed => [413], false => []),
        entry('fault', fault => { kind => 'disk errors', node => 0, seconds => 3 }), look(2, 'pulled', 0, status => 500),
        entry('stats', node => 0, status => 200, items => { waiting => 3 }, remaining => 10),
        entry('stopped', what => 'node 0', why => 'server was ended by signal 9'),
        (map { row(0, $_) } 0 .. 3),
        (map { (counters('end', $_), counters('rows', $_)) } 0, 1),
    );
}

sub verdict (@entries) {
    my $judge = Hashmill::Soak::Judge->new;
    $judge->add($_) for @entries;
    return $judge->verdict;
}

# The entries of a good history that are meant.
sub some ($history, $op, $code = sub { 1 }) { return grep { local $_ = $_; $_->{op} eq $op && $code->() } @$history }

# Each: what the judge is to find, and how the history is made so.
my @bad = (
    ['an acknowledged item that is lost' => sub ($h) { @$h = grep { !($_->{op} eq 'row' && $_->{node} == 0 && $_->{id} eq id_of(1)) } @$h }],
    ['an item at another node than its own' => sub ($h) { push @$h, row(1, 1) }],
    ['an item lost between two pulls' => sub ($h) { @$h = grep { !($_->{op} eq 'pull' && $_->{key} eq 'second') } @$h }],
    ['an item that is not finished' => sub ($h) { $_->{state} = 'done' for some($h, 'row', sub { $_->{id} eq id_of(1) }) }],
    ['a wrong value' => sub ($h) { my ($pull) = some($h, 'pull', sub { $_->{key} eq 'second' });
        $pull->{items}[0][1] = $values[1] }],
    ['a wrong value' => sub ($h) { my ($look) = some($h, 'look', sub { defined $_->{value} }); $look->{value} =~ tr/0-9a/1-9ab/ }],
    ['a wrong value in a row' => sub ($h) { $_->{chain} = $digests[2] for some($h, 'row', sub { $_->{id} eq id_of(2) }) }],
    ['a value that nobody can have' => sub ($h) { push @$h, look(3, 'cancelled', 0, value => 'f' x 128) }],
    ["another item's row" => sub ($h) { $_->{digest} = $digests[0] for some($h, 'row', sub { $_->{id} eq id_of(2) }) }],
    ["another body's digest" => sub ($h) { $_->{digest} = $digests[0] for some($h, 'enqueue', sub { ($_->{id} // '') eq id_of(2) }) }],
    ['an item handed out twice' => sub ($h) { push @$h, pull('fourth', 1) }],
    ['a batch that changed' => sub ($h) { push @$h, pull('first', 0, 1) }],
    ['a batch that changed' => sub ($h) { push @$h, pull('first') }],
    ['a batch with more than was asked for' => sub ($h) { $_->{top} = 1 for some($h, 'pull', sub { $_->{key} eq 'first' }) }],
    ['a key with two ids' => sub ($h) { push @$h, enqueue(1, id => id_of(9)) }],
    ['an id with two keys' => sub ($h) { push @$h, enqueue(1, id => id_of(2)) }],
    ['progress that went up' => sub ($h) { $_->{remaining} = 1001 for some($h, 'look', sub { $_->{remaining} == 77 }) }],
    ['an item that went back' => sub ($h) { push @$h, look(2, 'done', 0) }],
    ['an item that went back' => sub ($h) { push @$h, look(1, 'waiting', 0) }],
    ['a cancelled item that was pulled' => sub ($h) { push @$h, entry('cancel', id => id_of(2), node => 0, home => 0, status => 204) }],
    ['a pulled item that is cancelled' => sub ($h) { $_->{state} = 'cancelled' for some($h, 'row', sub { $_->{id} eq id_of(1) }) }],
    ['an item that nobody cancelled' => sub ($h) { @$h = grep { !($_->{op} eq 'cancel' && $_->{id} eq id_of(3)) } @$h }],
    ['an item that nobody asked for' => sub ($h) { push @$h, row(0, 1, id => id_of(50), digest => 'e' x 128) }],
    ['an item that nobody asked for' => sub ($h) { push @$h, entry('pull', key => 'x', top => 1, node => 0, status => 200,
        items => [[id_of(51), $values[1], 10]]) }],
    ['a lie that was taken' => sub ($h) { my ($lie) = some($h, 'lie'); $lie->{taken} = ['a']; $lie->{lost} = ['b'] }],
    ['a lie that was not refused' => sub ($h) { my ($lie) = some($h, 'lie'); $lie->{lost} = ['a'] }],
    ['a lie with another answer' => sub ($h) { my ($lie) = some($h, 'lie', sub { $_->{lie} eq 'large' }); $lie->{status} = 500 }],
    ['a counter that is off' => sub ($h) { my ($end) = some($h, 'end'); $end->{items}{pulled}++ }],
    ['a counter that is off' => sub ($h) { my ($end) = some($h, 'end'); $end->{remaining} = 5 }],
    ['a counter below nothing' => sub ($h) { my ($stats) = some($h, 'stats'); $stats->{items}{waiting} = -1 }],
    ['a process that ended by itself' => sub ($h) { my ($stopped) = some($h, 'stopped'); $stopped->{why} = 'server exited with 1' }],
    ['a request that was never answered' => sub ($h) { push @$h, entry('gave_up', what => 'pull fifth') }],
    ['an answer that should not be' => sub ($h) { push @$h, look(1, 'done', 0, status => 404) }],
    ['an answer that should not be' => sub ($h) { push @$h, look(1, 'done', 0, status => 500) }],
    ['an answer that cannot be read' => sub ($h) { my ($pull) = some($h, 'pull'); $pull->{unreadable} = 'no JSON' }],
);

subtest 'the judge' => sub {
    is_deeply verdict(good()), {}, 'finds nothing where nothing is';
    # What else is wrong with such a history is found, too.
    for my $number (0 .. $#bad) {
        my ($what, $make) = $bad[$number]->@*;
        my $history = dclone([good()]);
        $make->($history);
        my $wrong = verdict(@$history);
        ok $wrong->{$what}, "$what ($number)" or diag explain $wrong;
    }
    my $known = 1 + $#bad;
    note "$known histories";
};

# A node is lost just behind an entry, whose change its replica may lack.
sub lost_behind ($h, $copy, $entry) {
    push @$h, { op => 'lost', node => $entry->{node}, copy => $copy, end => $entry->{end} + 0.1 };
    return;
}

subtest 'a node that is lost' => sub {
    my %changes = (
        'an acknowledged item that is lost' => sub ($h) { @$h = grep { !($_->{op} eq 'row' && $_->{id} eq id_of(3)) } @$h;
            return +(some($h, 'cancel', sub { $_->{status} == 204 }))[0] },
        'an item handed out twice' => sub ($h) { my ($pull) = some($h, 'pull', sub { $_->{key} eq 'second' });
            push @$h, pull('fourth', 2); return $pull },
        'a key with two ids' => sub ($h) { my ($enqueue) = some($h, 'enqueue', sub { $_->{key} eq 'two' && $_->{status} == 201 });
            push @$h, enqueue(2, id => id_of(9)), row(0, 2, id => id_of(9)), pull('fifth'); $h->[-1]{items} = [[id_of(9), $values[2], $n[2]]];
            return $enqueue },
    );
    for my $what (sort keys %changes) {
        for my $copy (qw(sync async)) {
            my $history = dclone([good()]);
            lost_behind($history, $copy, $changes{$what}->($history));
            my $wrong = verdict(@$history);
            is !!$wrong->{$what}, $copy eq 'sync', "$what: with COPY=$copy";
        }
    }
};

subtest 'a history' => sub {
    my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $history = Hashmill::Soak::History->new($dir);
    my $writer = $history->writer('a');
    $writer->note(op => 'first', text => "\x{e9}");
    $history->writer('b')->note(op => 'second');
    open my $file, '>>', "$dir/b.jsonl" or die;
    print {$file} '{"op":"half'; # its writer was killed
    close $file;
    my @read;
    Hashmill::Soak::History::each_entry($dir, sub ($entry) { push @read, $entry });
    is_deeply [map { $_->{op} } @read], [qw(first second)], 'is read as it was written';
    is $read[0]{text}, "\x{e9}", 'whatever is in it';
};

subtest 'the schedule' => sub {
    is_deeply [schedule(7, 100)], [schedule(7, 100)], 'is the same for the same seed';
    isnt join(' ', map { text_of($_) } schedule(7, 100)), join(' ', map { text_of($_) } schedule(8, 100)), 'another one for another';
    is sha512_hex(join "\n", map { text_of($_) } schedule(1, 30)), sha512_hex(join "\n", map { text_of($_) } grep { $_->{at} + $_->{seconds} < 30 } schedule(1, 600)),
        'a longer one begins as the shorter one does';
    my @few = map { my $seed = $_; min(values counts(schedule($seed, 600))->%*) } 1 .. 50;
    cmp_ok min(@few), '>=', 10, 'has each kind ten times in ten minutes';
};

done_testing();
