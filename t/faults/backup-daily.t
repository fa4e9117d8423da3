# Daily backups: how many are kept, and what never goes: the last good one, what is no backup, what others are at.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Fcntl qw(LOCK_EX LOCK_NB);
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;

my $script = "$FindBin::Bin/../../scripts/backup-daily.sh";
my $mill = Hashmill->start;
my $id = $mill->new_item('kept', 10);

# Runs the script for a directory, with further options; its exit code and output.
sub daily ($directory, @options) {
    state $number = 0;
    my $process = Hashmill::Process->start(log => "$mill->{dir}/daily-" . ++$number . '.out',
        env => { $mill->environment->%*, BUILD => $mill->{build} },
        command => [$script, '-c', $mill->settings_file, @options, $directory]);
    $process->wait_exit(120);
    return ($process->exit_code, $process->log);
}

sub directory () { return tempdir('hm-daily-XXXXXX', TMPDIR => 1, CLEANUP => 1) }

# The names in a directory, sorted.
sub names ($directory) { return sort map { s{.*/}{}r } glob "$directory/{,.}*[!.]" }

# The backups there, the oldest first.
sub backups ($directory) { return grep { /^hashmill-\d{8}T\d{6}Z\.db$/ } names($directory) }

# Puts a backup of some year there, which is a copy of another.
sub old_backup ($directory, $year, $of) {
    my $name = "hashmill-${year}0101T000000Z.db";
    spew("$directory/$name", slurp("$directory/$of"));
    spew("$directory/$name.sha256", slurp("$directory/$of.sha256") =~ s/  .*/  $name/r);
    return $name;
}

subtest 'how many are kept' => sub {
    my $dir = directory();
    my ($code, $output) = daily($dir);
    is $code, 0, 'the first' or diag $output;
    my ($first) = backups($dir);
    is_deeply [names($dir)], [$first, "$first.sha256"], 'is a file and its SHA-256';
    is system("cd $dir && sha256sum --quiet -c $first.sha256"), 0, 'which it has';
    is qx(sqlite3 -readonly $dir/$first 'SELECT count(*) FROM item'), "1\n", 'the item is in it';
    like $output, qr/^\S+$first: \d+ bytes$/m, 'the journal has its name';
    my @old = map { old_backup($dir, $_, $first) } 2011 .. 2016;
    is +(daily($dir))[0], 0, 'one more than seven';
    my @left = backups($dir);
    is_deeply [@left[0 .. 5]], [@old[1 .. 5], $first], 'the oldest is gone';
    is scalar @left, 7, 'there are seven';
    is scalar(my @names = names($dir)), 14, 'each with its SHA-256, and nothing else';
    ($code, $output) = daily($dir, '--keep', 2);
    is $code, 0, 'two are to be kept';
    is scalar(my ($before, $new) = backups($dir)), 2, 'there are two';
    is $before, $left[-1], 'the last ones';
    is scalar(() = $output =~ /^removed: /mg), 6, 'the journal has what was removed';
    my $later = old_backup($dir, 2999, $new);
    is +(daily($dir, '--keep', 1))[0], 0, 'one, with another of a clock that was wrong';
    is scalar(my ($only) = backups($dir)), 1, 'there is one';
    isnt $only, $later, 'the new one';
    for my $bad (qw(0 -1 x 07 99999), '') {
        ($code, $output) = daily($dir, '--keep', $bad);
        is $code, 1, "not '$bad'";
        like $output, qr/--keep must be a number/, 'which is said';
    }
    is_deeply [backups($dir)], [$only], 'and removes nothing';
};

subtest 'bad ones' => sub {
    my $dir = directory();
    daily($dir);
    my ($good) = backups($dir);
    my @bad = map { old_backup($dir, $_, $good) } 2041 .. 2044;
    spew("$dir/$bad[0]", 'half of it');
    unlink "$dir/$bad[1].sha256" or die;
    spew("$dir/$bad[2].sha256", "nonsense\n");
    unlink "$dir/$bad[3]", "$dir/$bad[3].sha256";
    symlink "$dir/$good", "$dir/$bad[3]" or die;
    my ($code, $output) = daily($dir, '--keep', 2);
    is $code, 1, 'the unit fails';
    my @why = ('does not have its SHA-256', 'has no SHA-256 beside it', 'has no SHA-256 in', 'is no file');
    like $output, qr/\Q$bad[$_] $why[$_]\E/, $why[$_] for 0 .. 3;
    is_deeply [(backups($dir))[0, 2 .. 5]], [$good, @bad], 'they stay, and take no place of a good one';
    unlink glob "$dir/hashmill-20[4]*";
    is +(daily($dir, '--keep', 1))[0], 0, 'once they are gone, it succeeds';
    is scalar(backups($dir)), 1, 'and one is left';
};

subtest 'other files' => sub {
    my $dir = directory();
    my @strange = ('hashmill-2011.db', 'hashmill-20110101T000000Z.db.gz', "hashmill-20110101T000000Z.db\n", '-rf', 'a b', '*',
        'hashmill-20110101T000000Z.db;x', 'hashmill.db', '.hidden');
    spew("$dir/$_", "mine\n") for @strange;
    mkdir "$dir/$_" or die for 'hashmill-20110101T000000Z.db.new.ABCDEF', 'hashmill-x.new.ABCDEF', 'hashmill-20120101T000000Z.db.removed';
    spew("$dir/hashmill-20110101T000000Z.db.new.ABCDEF/copy", 'half of one');
    spew("$dir/hashmill-20130101T000000Z.db.removed", 'x' x (1 << 20));
    spew("$dir/hashmill-20130101T000000Z.db.sha256", "nonsense\n");
    is +(daily($dir, '--keep', 1))[0], 0, 'a backup is made among them';
    my ($new) = backups($dir);
    is_deeply [map { -e "$dir/$_" ? () : $_ } @strange, 'hashmill-x.new.ABCDEF', 'hashmill-20120101T000000Z.db.removed'], [],
        'what is not its own stays';
    is_deeply [grep { -e "$dir/$_" } 'hashmill-20110101T000000Z.db.new.ABCDEF',
        map { "hashmill-20130101T000000Z.db.$_" } qw(removed sha256)], [], 'what was left of earlier runs is gone';
    ok -s "$dir/$new", 'the backup is there';
};

subtest 'two at once' => sub {
    my $dir = directory();
    open my $lock, '<', $dir or die;
    flock $lock, LOCK_EX | LOCK_NB or die; # as another run has it
    my ($code, $output) = daily($dir);
    is $code, 1, 'the second one fails';
    like $output, qr/another backup-daily\.sh is at work/, 'and says why';
    is_deeply [names($dir)], [], 'it leaves nothing';
    close $lock;
    is +(daily($dir))[0], 0, 'the next one does not';
};

subtest 'where it cannot work' => sub {
    my $dir = directory();
    is +(daily("$dir/none"))[0], 1, 'no directory';
    ok !-e "$dir/none", 'makes none';
    my ($code, $output) = daily($dir, '--bad');
    is $code, 1, 'no such option';
    like $output, qr/there is no option --bad/, 'is said';
    SKIP: {
        skip 'only root can give a directory away', 2 if $> != 0;
        chown 65534, -1, $dir or die;
        ($code, $output) = daily($dir);
        is $code, 1, "somebody else's directory";
        like $output, qr/belongs to \S+: run this as that user/, 'with a sentence';
        chown 0, -1, $dir;
    }
};

my $disk = $> == 0 ? directory() : undef;
undef $disk if defined $disk && system("mount -t tmpfs -o size=3m hashmill-test $disk 2>/dev/null") != 0;
END { system "umount $disk" if defined $disk }

subtest 'no new backup' => sub {
    my $dir = $disk // directory();
    is +(daily($dir))[0], 0, 'there is a good one';
    my @before = names($dir);
    my ($code, $output);
    if (defined $disk) {
        my $free = (split ' ', qx(df --output=avail -B1 $disk | tail -n 1))[0];
        spew("$disk/filler", 'x' x ($free - 65536));
        ($code, $output) = daily($dir, '--keep', 1);
        is $code, 1, 'the disk is full';
        like $output, qr/no new backup was made; the old ones stay/, 'which is said';
        unlink "$disk/filler";
        is_deeply [names($dir)], \@before, 'the good one is there, and nothing else';
    }
    ok $mill->stop_server, 'the server is stopped';
    ($code, $output) = daily($dir, '--keep', 1);
    is $code, 1, 'no server';
    like $output, qr/no server can be reached.*no new backup was made; the old ones stay/s, 'which is said';
    is_deeply [names($dir)], \@before, 'the good one is there, and nothing else';
    $mill->start_server;
};

is $mill->item($id)->status, 200, 'the node has served all the time';
finish();
