# The units of systemd: what each may do, by systemd's own judgement, its bounds, and whose files it has.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my %unit = map { m{([^/]+)\.service$} => slurp($_) } glob "$root/scripts/install/*.service";

# The last value of a setting.
sub setting ($unit, $key) { return ($unit{$unit} =~ /^\Q$key\E=(.*)$/mg)[-1] // '' }

# The exposure that each may have at most; the worst is 10.
my %most = ('hashmill' => 2, 'hashmill-worker' => 2, 'hashmill-spot' => 2, 'hashmill-ec2-fetch' => 2, 'hashmill-ec2' => 3.9,
    'hashmill-backup' => 2);
is join(' ', sort keys %unit), join(' ', sort keys %most), 'every unit is judged';

subtest 'exposure' => sub {
    plan skip_all => 'no systemd-analyze' if system('command -v systemd-analyze >/dev/null') != 0;
    for my $unit (sort keys %unit) {
        my ($exposure) = qx(systemd-analyze security --no-pager --offline=yes $root/scripts/install/$unit.service 2>&1)
            =~ /exposure level for \S+: ([\d.]+)/;
        cmp_ok $exposure // 10, '<=', $most{$unit}, "$unit.service: " . ($exposure // 'unknown');
    }
};

subtest 'bounds' => sub {
    for my $unit (sort keys %unit) {
        is setting($unit, 'LimitCORE'), '0', "$unit.service: no core file";
        like setting($unit, $_), qr/^\d/, $_ for qw(MemoryMax TasksMax LimitNOFILE);
    }
    cmp_ok setting('hashmill', 'LimitNOFILE') =~ s/.*://r, '>', 2 * 10_000, 'all long polls that can be set have files';
    cmp_ok setting('hashmill', 'TasksMax'), '>', 2 * 256 + 6, 'all processes that can be set fit';
    cmp_ok setting('hashmill-worker', 'TasksMax'), '>', 1024, 'so do all threads';
};

subtest 'watchdogs' => sub {
    for my $unit (qw(hashmill hashmill-worker)) {
        is setting($unit, 'Type'), 'notify', "$unit.service says when it is ready";
        cmp_ok setting($unit, 'WatchdogSec'), '>=', 30, 'and is ended when it has said nothing for long';
        is setting($unit, 'Restart'), 'on-failure', 'to be started again';
    }
    is setting('hashmill', 'TimeoutStartSec'), 'infinity', 'a start may take as long as it does';
};

subtest 'users' => sub {
    my %users = map { /^u (\S+)/ ? ($1 => 1) : () } split /\n/, slurp("$root/scripts/install/sysusers.conf");
    for my $unit (qw(hashmill hashmill-worker)) {
        is setting($unit, 'User'), $unit, "$unit.service has a user of its own";
        ok $users{$unit}, 'which the package makes';
    }
    is setting('hashmill-ec2-fetch', 'DynamicUser'), 'yes', 'so has what fetches on EC2';
    is setting('hashmill-ec2-fetch', 'CapabilityBoundingSet'), '', 'without a right of root';
    like setting('hashmill-ec2-fetch', 'StandardOutput'), qr{^truncate:/run/hashmill-ec2/}, 'it writes to a descriptor that it is given';
};

subtest 'daily backups' => sub {
    is setting('hashmill-backup', 'User'), setting('hashmill', 'User'), "they are made by the server's user, whose the socket is";
    my ($keep, $directory) = setting('hashmill-backup', 'ExecStart') =~ m{backup-daily\.sh --keep (\S+) /var/lib/(\S+)$};
    is $keep, '${KEEP}', 'the unit says how many are kept';
    is setting('hashmill-backup', 'Environment'), 'KEEP=7', 'seven';
    is setting('hashmill-backup', 'EnvironmentFile'), '-/etc/hashmill/backup.env', 'or the administrator';
    is setting('hashmill-backup', 'StateDirectory'), $directory, 'in a directory that is made for them';
    is setting('hashmill-backup', $_->[0]), $_->[1], "$_->[0]: the queue goes first" for [Nice => 19], [IOSchedulingClass => 'idle'];
    plan skip_all => 'no systemd-analyze' if system('command -v systemd-analyze >/dev/null') != 0;
    is system("systemd-analyze verify --recursive-errors=no --man=no $root/scripts/install/hashmill-backup.timer 2>&1 | grep hashmill-backup >&2") >> 8, 1,
        'systemd has nothing to say against the timer';
};

# The part of postinst that makes secrets, with files of the test's own; chown writes down whose they are to be.
subtest 'secrets' => sub {
    my $dir = tempdir('hm-units-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my ($functions) = slurp("$root/debian/hashmill.postinst") =~ /^(etc=.*?)^case /ms;
    $functions =~ s{^etc=.*}{etc=$dir\nchown() { echo "\$@" >>$dir/chowns; }\nstat() { echo hashmill; }}m;
    mkdir "$dir/tls" or die;
    spew("$dir/postinst", "set -e\n${functions}make_secrets\ngive_to_worker\n");
    is system('sh', "$dir/postinst"), 0, 'they are made';
    my $chowns = slurp("$dir/chowns");
    like $chowns, qr{^hashmill:hashmill \S+/secrets\.env\.new$}m, "the server's are its user's";
    like $chowns, qr{^hashmill-worker:hashmill-worker \S+/worker-secrets\.env\.new$}m, "the worker's are its own's";
    like $chowns, qr{^-h hashmill-worker:hashmill-worker \S+/worker-secrets\.env$}m, 'also those that an earlier version made';
    is((stat "$dir/$_")[2] & 07777, 0600, "$_: nobody else reads it") for qw(secrets.env worker-secrets.env);
    is slurp("$dir/worker-secrets.env") =~ /^(WORKER_TOKEN=[0-9a-f]{64})$/m ? $1 : '', slurp("$dir/secrets.env") =~ /^(WORKER_TOKEN=.*)$/m ? $1 : 'none',
        'both have one token';
};

done_testing();
