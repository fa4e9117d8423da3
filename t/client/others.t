# The programs of docs/clients.md, as they stand there: values, going on, keys, refusals and failures. One whose
# interpreter is not installed is left out.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::Client;
use Hashmill::Keys;
use Hashmill::Util qw(free_port_pair process_ids slurp spew);

# A program of the page in place of hashmill. Debian's python3 has the modules of its packages.
package Program {
    use parent -norequire, 'Hashmill::Client';
    my %interpreter = (python => '/usr/bin/python3', javascript => 'node', bash => 'bash');
    my %needs = (
        python => [q{/usr/bin/python3 -c 'import requests'}, 'no python3-requests here'],
        javascript => [q{node -e 'if (parseInt(process.versions.node) < 18) process.exit(1)'}, 'no node of version 18 or later here'],
        bash => [q{jq -n 1 && curl -sw '%header{x}' file:///dev/null | (! grep -q x)}, 'no jq or no curl of version 7.84 or later here'],
    );

    sub missing ($language) {
        my ($command, $why) = $needs{$language}->@*;
        return '' if system("($command) >/dev/null 2>&1") == 0;
        die "$why\n" if $ENV{HASHMILL_ROOT};
        return $why;
    }

    sub new ($class, $mill, $language, $text, %options) {
        my $self = $class->SUPER::new($mill, %options);
        $self->{language} = $language;
        Hashmill::Util::spew($self->program, $text);
        return $self;
    }

    sub program ($self) { return "$self->{dir}/hashmill." . ($self->{language} eq 'javascript' ? 'mjs' : $self->{language}) }

    sub start ($self, @arguments) {
        return $self->SUPER::start({ wrap => [$interpreter{ $self->{language} }] }, @arguments);
    }
}

my $page = slurp("$FindBin::Bin/../../docs/clients.md");
my %text = $page =~ /^```(\w+)\n(.*?)^```$/msg;
is_deeply [sort keys %text], [qw(bash javascript python)], 'the page has three programs';
my %missing = map { $_ => Program::missing($_) } sort keys %text;
my @installed = grep { !$missing{$_} } sort keys %text;

my $mill = Hashmill->start;

# A part of the test for each program that can run here.
sub each_program ($name, $code) {
    for my $language (sort keys %text) {
        subtest "$language: $name" => sub {
            plan skip_all => $missing{$language} if $missing{$language};
            $code->($language);
        };
    }
    return;
}

sub program ($language, %options) { return Program->new($mill, $language, $text{$language}, %options) }

sub items { my $items = $mill->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

# Whether a run has ended well with the values of these files.
sub has_values ($done, $files, $iterations, $name) {
    is $done->{code}, 0, "$name: exit code" or diag $done->{err};
    return is $done->{out}, join('', map { value_of(slurp($_), $iterations) . "  $_\n" } @$files), "$name: values";
}

# Whether a run has failed, printed nothing else than this, and said why.
sub fails ($done, $why, $name, $out = '') {
    ok $done->{code}, "$name: exit code";
    like $done->{err}, $why, "$name: why";
    return is $done->{out}, $out, "$name: output";
}

each_program 'values' => sub ($language) {
    my $client = program($language);
    my @files = $client->files(a => "$language a\n", 'b c' => "$language\0\n\n", "d{1,2}'[1-3]" => random_body(262_144), e => 'x');
    my $before = items();
    my $worker = $mill->start_worker;
    my $done = $client->run(1000, @files);
    has_values($done, \@files, 1000, 'files of many kinds');
    is $done->{err}, '', 'no message';
    has_values($client->run(1000, reverse @files), [reverse @files], 1000, 'again');
    is items(), $before + 4 - ($before ? 1 : 0), 'no item twice, also of the content that another program has put';
    has_values($client->run(1, @files[0, 1]), [@files[0, 1]], 1, 'another N');
    is items(), $before + 6 - ($before ? 1 : 0), 'is other items';
    $mill->stop_workers;
};

each_program 'stopping and going on' => sub ($language) {
    my $client = program($language);
    my @files = $client->files(map { $_ => "$language goes on: $_" } 'a' .. 'c');
    my $before = items();
    my $run = $client->start(2000, @files);
    ok $mill->wait_parked(1), 'it waits by a long poll';
    is items(), $before + 3, 'has put everything before';
    $client->end($run, 'KILL');
    my $id = $mill->enqueue(slurp($files[0]), 2000, 'Idempotency-Key' => sha512_hex(slurp($files[0])) . '-2000')->json->{id};
    is items(), $before + 3, 'by the key that the page names';
    is $mill->call('DELETE', "/items/$id")->status, 204, 'one item is cancelled';
    ok $mill->wait_parked(0), 'nobody waits';
    $run = $client->start(2000, @files);
    ok $mill->wait_parked(1), 'the same command again waits';
    ok $mill->reload, 'a reload answers all who wait';
    ok $mill->wait_parked(1), 'it asks again';
    my $worker = $mill->start_worker;
    my $out = join '', map { value_of(slurp($_), 2000) . "  $_\n" } @files[1, 2];
    fails($client->end($run), qr/cancelled: \Q$files[0]\E/, 'the cancelled one fails, the others have values', $out);
    is items(), $before + 3, 'no item twice';
    $mill->stop_workers;
};

# All of them at the same time: a pause is 10 seconds.
subtest 'a paused intake' => sub {
    plan skip_all => 'no program can run here' if !@installed;
    $mill->call('POST', '/admin/pause?what=intake');
    my @runs = map { { client => program($_), language => $_, since => time } } @installed;
    for my $run (@runs) {
        ($run->{file}) = $run->{client}->files(file => "$run->{language} while paused");
        $run->{run} = $run->{client}->start(1, $run->{file});
    }
    ok wait_until(30, sub { $_->{client}->err($_->{run}) =~ /^\S+: 503 .*paused/ }), "$_->{language} says why it waits" for @runs;
    $mill->call('POST', '/admin/resume?what=intake');
    for my $run (@runs) {
        my $done = $run->{client}->end($run->{run});
        has_values($done, [$run->{file}], 1, $run->{language});
        is scalar(() = $done->{err} =~ /: 503 /g), 1, "$run->{language} has asked once";
        cmp_ok time - $run->{since}, '>', 10, "$run->{language} has waited as long as Retry-After says";
    }
};

each_program 'what goes wrong' => sub ($language) {
    my $client = program($language);
    my ($file) = $client->files(file => "$language goes wrong");
    fails($client->run, qr/usage/, 'no arguments');
    fails($client->run('1x', $file), qr/400 .*iterations/, 'N is no number');
    fails($client->run('5&wait=1', $file), qr/400 .*iterations/, 'nor this');
    fails($client->run(1, "$file-none"), qr/file-none/, 'no such file');
    my ($large) = $client->files(large => 'x' x 262_145);
    fails($client->run(1, $large), qr/413/, 'a large file');
    my $nobody = program($language, url => 'http://127.0.0.1:' . free_port_pair());
    fails($nobody->run(1, $file), qr/refused|connect/i, 'no node answers');
    has_values($client->run(1, $file), [$file], 1, 'a good one');
};

my $dir = $mill->{dir};
my %key = key_file("$dir/keys", 'operator olga', 'viewer vera', 'client few iterations_max=1000',
    map { ("client $_", "client slow-$_ rate=1/1") } sort keys %text);
$mill->{key} = $key{olga};
ok $mill->reload(KEYS => "$dir/keys"), 'with KEYS';

each_program 'keys' => sub ($language) {
    my $client = program($language, key => $key{$language}, url => $mill->url . '/');
    my @files = $client->files(map { $_ => "$language has a key: $_" } 'a' .. 'c');
    has_values($client->run(1, @files), \@files, 1, 'a good key');
    my $run = $client->start(3, @files);
    ok $mill->wait_parked(1), 'it waits';
    my @seen = grep { index(slurp("/proc/$_/cmdline") // '', $key{$language}) >= 0 } process_ids();
    is_deeply \@seen, [], 'no command line shows the key';
    ok $mill->work_all, 'a worker has computed the items';
    has_values($client->end($run), \@files, 3, 'then it has the values');

    my $slow = program($language, key => $key{"slow-$language"});
    my $done = $slow->run(1, @files);
    has_values($done, \@files, 1, 'more than its rate allows');
    like $done->{err}, qr/429 .*quota-rate/, 'which it says';
    fails(program($language, key => $key{few})->run(1001, $files[0]), qr/429 .*quota-iterations/, 'an item that is never taken');

    my ($unknown) = new_key('client nobody');
    my $before = items();
    fails(program($language)->run(1, $files[0]), qr/401 .*unauthorized/, 'no key');
    fails(program($language, key => $unknown)->run(1, $files[0]), qr/401 .*not known/, 'an unknown key');
    fails(program($language, key => $key{vera})->run(1, $files[0]), qr/403 .*forbidden/, 'a key of another role');
    unlink "$client->{dir}/key";
    fails($client->run(1, $files[0]), qr{/key}, 'no file with the key');
    is items(), $before, 'nothing was put';
};

finish();
