# hashmill killed before every system call that it makes, one after the other, and run again: no item is there twice,
# and every file's value comes once.
#
# The calls before the first by which it changes something outside of itself are left out. With HASHMILL_SLOW=1 (make
# test-slow) they are not, from its exec on, and there are longer commands.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Client;

use constant { KIND => $ENV{HASHMILL_SLOW} ? 'all' : 'late', CALLS_MAX => 5000, WRONG_MAX => 5 };

# What users run: sanitizers make calls of their own, and take three times as long.
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
my ($program) = grep { -x } "$build/hashmill", Hashmill::build_directory() . '/hashmill';

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill, program => $program);
my $kill_child = Hashmill::build_directory() . '/crash/kill_child';
my %traced = (ASAN_OPTIONS => "detect_leaks=0:log_path=$mill->{dir}/sanitizer"); # no look for leaks under it
my ($point, $all_files, $all_points) = (0, 0, 0);
my %file_of; # by value: what was put and not pulled

# One more point: a directory of its own, with files whose values nobody else has.
sub new_point ($count, $n) {
    my $dir = "$client->{dir}/" . ++$point;
    mkdir $dir or die "$dir: $!";
    my @files = map { "$dir/$_" } 1 .. $count;
    spew($_, "content of $_") for @files;
    my @values = map { value_of("content of $_", $n) } @files;
    @file_of{@values} = @files;
    $all_files += $count;
    spew("$dir/list", join "\n", @files);
    return { list => "$dir/list", out => "$dir/out", values => \@values, env => { XDG_STATE_HOME => "$dir/state" } };
}

# Runs a command, killed before its Nth call, and then again, for each N up to its end. `begin` returns a point and the
# command; `wrong` what is wrong once the command has ended, by its lines.
sub sweep ($name, $kind, $begin, $wrong) {
    my ($points, $finished, @wrong) = (0, 0);
    while (!$finished && @wrong < WRONG_MAX && $points < CALLS_MAX) {
        my ($here, @command) = $begin->();
        my $done = $client->run({ env => { $here->{env}->%*, %traced }, wrap => [$kill_child, $kind, $points + 1] }, @command);
        $finished = $done->{code} != 137;
        $done = $client->run({ env => $here->{env} }, @command) if !$finished;
        $points++ if !$finished;
        push @wrong, map { ($finished ? 'not killed: ' : "killed before call $points: ") . $_ }
            $done->{code} == 0 ? $wrong->($here, $client->lines($done)) : "exit code $done->{code}, $done->{err}";
    }
    is join("\n", @wrong), '', "$name: killed before each of $points calls";
    cmp_ok $points, '>', 60, 'up to its end';
    $all_points += $points;
    return;
}

# Pulls all values into a file: what is wrong with it, if each id in `ids` has that value.
sub pull_all (%value_of) {
    my $out = "$client->{dir}/all";
    unlink $out;
    my $done = $client->run('pull', '--out', $out);
    my %id;
    my @wrong = $done->{code} == 0 ? () : $done->{err};
    for my $line (split /\n/, slurp($out)) {
        my ($id, $value) = split / /, $line;
        push @wrong, "$value is there twice" if $id{$value};
        push @wrong, "$value is of no file" if !$file_of{$value};
        push @wrong, "$id has not the value of its file" if $value_of{$id} && $value_of{$id} ne $value;
        $id{$value} = $id;
    }
    push @wrong, map { "$file_of{$_} has no value" } grep { !$id{$_} } keys %file_of;
    is join("\n", @wrong), '', 'each value can be pulled once';
    %file_of = ();
    my ($items) = $mill->sql('SELECT count(*) FROM items');
    is $items->[0], $all_files, "$all_files items, none twice";
    return;
}

sub sweep_put ($kind, $count, @how) {
    my %value_of;
    sweep(join(' ', 'put', @how, "of $count files"), $kind,
        sub { my $here = new_point($count, 1); return ($here, 'put', '--from-file', $here->{list}, '-n', 1, @how) },
        sub ($here, @ids) {
            @value_of{@ids} = $here->{values}->@*;
            return @ids == $count ? () : @ids . ' ids';
        });
    pull_all(%value_of);
    return;
}

sub sweep_run ($kind, $count, $n) {
    sweep("run of $count files", $kind,
        sub { my $here = new_point($count, $n); return ($here, 'run', '-q', '--from-file', $here->{list}, '-n', $n) },
        sub ($here, @values) { return "@values" eq "@{$here->{values}}" ? () : "the values @values" });
    pull_all();
    return;
}

sub sweep_pull ($kind, $count) {
    sweep("pull --out of $count values", $kind,
        sub {
            my $here = new_point($count, 1);
            my $done = $client->run({ env => $here->{env} }, 'put', '--from-file', $here->{list}, '-n', 1);
            die "put: $done->{err}" if $done->{code} != 0;
            return ($here, 'pull', '-q', '--out', $here->{out});
        },
        sub ($here, @) {
            my @got = split /\n/, slurp($here->{out}) // '';
            delete @file_of{@got};
            return (join(' ', sort @got) eq join(' ', sort $here->{values}->@*) ? () : 'the file has ' . @got . ' values',
                map { "$_ is left" } glob "$here->{out}.*");
        });
    pull_all();
    return;
}

sweep_put(KIND, 3);
sweep_put(KIND, 3, '--send-body');
sweep_pull(KIND, 3);
sweep_run(KIND, 3, 1);
if ($ENV{HASHMILL_SLOW}) {
    sweep_put('late', 17, '--send-body'); # 16 go together
    sweep_pull('late', 1001);             # 1,000 do
    $mill->start_worker;
    sweep_run('late', 3, 2);
}
diag "$all_points points";
finish();
