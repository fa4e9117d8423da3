# What a node on EC2 does by itself. At its first boot it takes the package that deploy.sh stored and no other.
# scripts/aws/ec2-node fetches without root; scripts/aws/ec2-volume makes a filesystem once and never over another,
# scripts/aws/ec2-start begins the queue once, and nothing is served without them. Disks are files here, and
# hashmill-fcgi, systemctl and others are scripts that write down how they were called.

use v5.36;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use JSON::PP qw(encode_json);
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-ec2-XXXXXX', TMPDIR => 1, CLEANUP => 1);
make_path("$dir/bin", "$dir/disks");
my $where = '/var/lib/hashmill';
local $ENV{PATH} = "$dir/bin:$ENV{PATH}:/usr/sbin:/sbin";

# A program of the test's own.
sub program ($name, $text) {
    spew("$dir/bin/$name", "#!/bin/sh\n$text");
    chmod 0755, "$dir/bin/$name" or die;
    return "$dir/bin/$name";
}

# A command's exit code and what it prints, with more for its environment in a first hash.
sub output (@command) {
    local %ENV = (%ENV, (shift @command)->%*) if ref $command[0];
    my $pid = open(my $pipe, '-|') // die;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec @command or exit 127;
    }
    my $text = do { local $/ = undef; <$pipe> } // '';
    close $pipe;
    return ($? >> 8, $text);
}

# The calls that were written down since the last look.
sub calls {
    my @calls = -e "$dir/calls" ? split /\n/, slurp("$dir/calls") : ();
    unlink "$dir/calls";
    return @calls;
}

# A node's user data, whose files are in a directory of the test's. The parameter that the node may read and what is in
# the bucket are files here; when it waits, "later" becomes what is in the bucket.
subtest 'the first boot' => sub {
    plan skip_all => 'no sha256sum' if system('command -v sha256sum >/dev/null');
    my $boot = "$dir/boot";
    my %value = (STACK => 'one', NODE => 1, REGION => 'eu-west-1', ACCOUNT => '123456789012', BUCKET => 'bucket', ENDPOINT => '',
        VOLUME => 'vol-1', FIRST => 'peer');
    my $script = slurp("$root/scripts/aws/node.sh.in") =~ s/\@([A-Z]+)\@/$value{$1}/gr =~ s{(?<![\w.])/(etc|var|usr/lib)/}{$boot/$1/}gr;
    program('systemctl', "echo systemctl \"\$@\" >>$dir/calls\n");
    program('sleep', "[ ! -e $dir/later ] || mv $dir/later $dir/object\n");
    program('apt-get', "case \"\$*\" in *.deb) for file; do :; done; echo installed \$(cat \"\$file\") >>$dir/calls ;; esac\n");
    program('aws', <<"END");
case "\$*" in
*" ssm get-parameters-by-path --path /hashmill/one/node1 --with-decryption --query Parameters[?ends_with(Name, '/package.sha256')].Value") cat $dir/parameter ;;
*" s3api get-object --bucket bucket "*"--key hashmill.deb "*) for to; do :; done; cp $dir/object "\$to" ;;
*) exit 2 ;;
esac
case "\$*" in *get-object*123456789012*) ;; *get-object*) echo "a bucket of anybody" >>$dir/calls ;; esac
END
    my $first_boot = sub (%file) {
        system('rm', '-rf', $boot, map { "$dir/$_" } qw(calls object later parameter));
        make_path("$boot/usr/lib/hashmill");
        spew("$dir/$_", $file{$_}) for keys %file;
        for my $own (qw(ec2-volume ec2-node nginx-site)) {
            spew("$boot/usr/lib/hashmill/$own", "#!/bin/sh\necho $own \"\$@\" >>$dir/calls\n");
            chmod 0755, "$boot/usr/lib/hashmill/$own" or die;
        }
        my ($code, $text) = output('bash', '-c', $script);
        return ($code, $text, join ', ', grep { !/^systemctl/ } calls());
    };
    my $sum = sub ($text) { (split / /, (output('sh', '-c', 'printf %s "$0" | sha256sum', $text))[1])[0] . "\n" };
    my $well = 'installed good, ec2-volume vol-1, ec2-node, nginx-site tune';
    my ($code, $text, $done) = $first_boot->(object => 'good', parameter => $sum->('good'));
    is "$code: $done", "0: $well", 'the package that deploy.sh stored is installed' or diag $text;
    is slurp("$boot/var/lib/hashmill-package/hashmill.deb"), 'good', 'and kept for workers';
    like slurp("$boot/etc/hashmill/ec2.env"), qr/^ACCOUNT=123456789012$/m, 'the account of the bucket is kept, too';
    ($code, $text, $done) = $first_boot->(object => 'evil', parameter => $sum->('good'));
    is "$code: $done", '1: ', 'another is not';
    like $text, qr/the package in the bucket is not the one that deploy\.sh put there/, 'that is told';
    is_deeply [glob "$boot/var/lib/hashmill-package/*"], [], 'and not kept';
    ($code, $text, $done) = $first_boot->(object => 'old', later => 'good', parameter => $sum->('good'));
    is "$code: $done", "0: $well", 'one that deploy.sh is just storing is waited for';
    for my $sha256 ('', "None\n", "x\n") {
        ($code, $text, $done) = $first_boot->(object => 'good', parameter => $sha256);
        is "$code: $done", '1: ', 'without a SHA-256 none is: ' . $sha256 =~ s/\n//r;
    }
    unlink map { "$dir/bin/$_" } qw(sleep apt-get aws);
};

subtest 'the volume' => sub {
    plan skip_all => 'no mkfs.ext4 or blkid' if grep { system("command -v $_ >/dev/null") } qw(mkfs.ext4 blkid);
    program('systemctl', "echo systemctl \"\$@\" >>$dir/calls\n");
    my $disk = "$dir/disks/nvme-Amazon_Elastic_Block_Store_vol0123abcd";
    my $mount = sub ($volume = 'vol-0123abcd') {
        return output({ DISKS => "$dir/disks", FSTAB => "$dir/fstab", WAIT_SECONDS => 0.1 }, "$root/scripts/aws/ec2-volume", $volume);
    };
    my $blank = sub ($size = 64 << 20) {
        unlink $disk;
        spew($disk, '');
        truncate $disk, $size or die;
    };
    spew("$dir/fstab", "UUID=1 / ext4 defaults 0 1\nUUID=2 $where ext4 defaults 0 2\n");

    my $attach = fork // die;
    if ($attach == 0) {
        select undef, undef, undef, 0.5;
        spew("$disk.new", '');
        truncate "$disk.new", 64 << 20;
        rename "$disk.new", $disk;
        exec 'true';
    }
    my ($code, $text) = $mount->();
    waitpid $attach, 0;
    is $code, 0, 'a new one' or diag $text;
    like $text, qr/^ec2-volume: waiting for vol-0123abcd; deploy\.sh attaches it\n/, 'is waited for';
    like $text, qr/made a filesystem on vol-0123abcd/, 'and gets a filesystem';
    my ($uuid) = (output('blkid', '-p', '-o', 'value', '-s', 'UUID', $disk))[1] =~ /(\S+)/;
    is slurp("$dir/fstab"), "UUID=1 / ext4 defaults 0 1\nUUID=$uuid $where ext4 nofail,nodev,nosuid,noexec,noatime,errors=remount-ro 0 2\n",
        'which is mounted by its UUID at each boot, and no other there';
    is_deeply [calls()], ['systemctl daemon-reload', 'systemctl start var-lib-hashmill.mount'], 'and now';

    my (undef, $before) = output('sha256sum', $disk);
    my $fstab = slurp("$dir/fstab");
    ($code, $text) = $mount->();
    is "$code$text", '0', 'one with a filesystem is mounted';
    is slurp("$dir/fstab"), $fstab, 'as before';
    is +(output('sha256sum', $disk))[1], $before, 'and not written to';
    calls();

    my %other = (
        'another filesystem'          => sub { $blank->(); substr_of($disk, 4086, 'SWAPSPACE2') },
        'a partition table'           => sub { $blank->(); substr_of($disk, 510, "\x55\xaa"); substr_of($disk, 446, pack 'C8VV', 0, 0, 2, 0, 0x83, 0, 0, 0, 2048, 4096) },
        'bytes that nobody knows'     => sub { $blank->(); substr_of($disk, 3_000_000, 'x') },
        'a filesystem that is broken' => sub { $blank->(); output('mkfs.ext4', '-q', $disk); substr_of($disk, 1024, "\0" x 1024) },
        'no byte at all'              => sub { $blank->(0) },
    );
    for my $what (sort keys %other) {
        $other{$what}->();
        my $sum = (output('sha256sum', $disk))[1];
        ($code, $text) = $mount->();
        is $code, 1, "refused: $what";
        like $text, qr/it is left as it is/, 'that is told';
        is +(output('sha256sum', $disk))[1], $sum, 'and true';
        is scalar(calls()), 0, 'nothing is mounted';
    }
    is +($mount->('/dev/sda'))[0], 1, 'only the id of a volume will do';
};

# Writes bytes into a file.
sub substr_of ($file, $offset, $bytes) {
    open my $handle, '+<', $file or die;
    seek $handle, $offset, 0;
    print {$handle} $bytes;
    close $handle or die;
    return;
}

subtest 'the first start' => sub {
    my $state = "$dir/state";
    # Exits for --init as its file says, "OPTIONS CODE" in each line, and makes a database with code 0.
    my $server = program('hashmill-fcgi', <<"END");
echo hashmill-fcgi "\$@" >>$dir/calls
case "\$*" in
*--init*) ;;
*) exit 5 ;;
esac
code=\$(sed -n "s/^\${*#-c a } \\([a-z0-9]*\\)\$/\\1/p" $dir/answers)
[ "\$code" != waits ] || exec sleep 60
[ "\$code" != 0 ] || : >$state/hashmill.db
exit "\$code"
END
    my $start = sub ($first, @answers) {
        spew("$dir/first", "$first\n");
        spew("$dir/answers", join '', map { "$_\n" } @answers);
        my ($code) = output({ STATE_DIRECTORY => $state, EC2_FIRST => "$dir/first", EC2_FIRST_SECONDS => 1 },
            "$root/scripts/aws/ec2-start", $server, '-c', 'a');
        return join ', ', (map { s/^hashmill-fcgi -c a ?//r || 'serves' } calls()), $code;
    };
    my $fresh = sub { system('rm', '-rf', $state); make_path($state) };
    my $begun = sub { return -e "$state/begun" ? 1 : 0 };

    $fresh->();
    is $start->('new', '--init waits', '--init --new 0'), '--init, --init --new, serves, 5', 'new: a peer that does not answer is not waited for';
    ok $begun->(), 'that is remembered';
    is $start->('new', '--init 0'), '--init, serves, 5', 'the next start is any start';
    unlink "$state/hashmill.db";
    is $start->('new', '--init 78'), '--init, 78', 'also when the database is gone: a person decides';
    for my $first (qw(new peer)) {
        $fresh->();
        is $start->($first, '--init 0'), '--init, serves, 5', "$first: a peer that keeps nothing";
        $fresh->();
        is $start->($first, '--init 78', '--init --from-peer 0'), '--init, --init --from-peer, serves, 5', "$first: what it keeps is fetched";
        $fresh->();
        is $start->($first, '--init 78', '--init --from-peer 75'), '--init, --init --from-peer, 75', "$first: broken off";
        ok !$begun->(), 'it is not done';
        is $start->($first, '--init 78', '--init --from-peer 0'), '--init, --init --from-peer, serves, 5', 'it is done again';
        is $start->($first, '--init 0'), '--init, serves, 5', 'and once only';
        $fresh->();
        is $start->($first, '--init 78', '--init --from-peer 78'), '--init, --init --from-peer, 78', "$first: what a person must decide";
        is $start->($first, '--init 75'), '--init, 75', 'another failure is one';
        ok !$begun->(), 'and nothing is begun';
    }
    $fresh->();
    spew("$state/hashmill.db", '');
    is $start->('peer', '--init 78'), '--init, 78', 'where there is a database, it is not replaced';
    ok !$begun->(), 'as it may not be served';
    is $start->('peer', '--init 0'), '--init, serves, 5', 'one that may be, is';
    ok $begun->(), 'and is remembered';
};

# scripts/aws/ec2-node: what fetches has no right of root, and root takes from it what it knows, by no name of its choice.
subtest 'what is new' => sub {
    my %env = (HASHMILL_ETC => "$dir/etc", HASHMILL_KEPT => "$dir/kept", HASHMILL_RUN => "$dir/run-ec2", TMPDIR => $dir);
    my $node = "$root/scripts/aws/ec2-node";
    make_path("$dir/etc", "$dir/kept");
    chmod 0755, "$dir/etc";
    my %parameter = map { ($_ => "the $_\n") } qw(keys secrets.env ca.pem listener.key listener.pem peer.key peer.pem);
    $parameter{'ec2.env'} = "STACK=one\nNODE=1\nAWS_REGION=here\nBUCKET=bucket\n";
    $parameter{'package.sha256'} = (output('sh', '-c', 'printf package | sha256sum'))[1] =~ s/ .*//r;
    spew("$dir/etc/ec2.env", $parameter{'ec2.env'});
    spew("$dir/parameters", encode_json({ Parameters => [map { { Name => "/hashmill/one/node1/$_", Value => $parameter{$_} } } sort keys %parameter] }));
    program('aws', <<"END");
echo aws "\$@" >>$dir/calls
case "\$*" in
*get-parameters-by-path*) cat $dir/parameters ;;
*get-object*) for file; do :; done; printf package >"\$file" ;;
esac
END
    program($_, "echo $_ \"\$@\" >>$dir/calls\n") for qw(apt-get nginx);
    program('install', "echo install \"\$@\" >>$dir/installed\n" . 'exec /usr/bin/install $(printf "%s\n" "$@" | sed "/^-[og]\$/,+1d")' . "\n"); # for any user
    program('systemctl', <<"END");
echo systemctl "\$@" >>$dir/calls
[ "\$*" != 'start hashmill-ec2-fetch.service' ] || { cp $dir/hostile.tar $dir/run-ec2/fetched.tar || $node fetch >$dir/run-ec2/fetched.tar; } 2>/dev/null
END
    my ($code, $text) = output(\%env, $node);
    is $code, 0, 'everything is new' or diag $text;
    my @calls = map { s/ .*new\.deb$/ new.deb/r } calls();
    is_deeply [grep { /^apt-get|get-object|fetch/ } map { s/aws.*(get-object).*/$1/r } @calls], ['systemctl start hashmill-ec2-fetch.service', 'get-object',
        'apt-get new.deb', 'systemctl start hashmill-ec2-fetch.service'], 'the package is fetched, and installed once';
    is slurp("$dir/etc/$_->[0]"), $parameter{$_->[1]}, "$_->[0] is in place" for (map { [$_, $_] } qw(keys secrets.env ec2.env)),
        map { ["tls/$_", $_] } grep { /\.(?:pem|key)$/ } keys %parameter;
    like slurp("$dir/installed"), qr{-o root -g hashmill -m 640 -- \S+/keys $dir/etc/keys\.new$}m, 'the keys as the server demands it';
    is slurp("$dir/kept/hashmill.deb"), 'package', 'so is the package, for workers';
    is_deeply [glob "$dir/run-ec2*/* $dir/tmp.*"], [], 'nothing else is left';
    ($code, $text) = output(\%env, $node);
    is "$code$text", '0', 'nothing is new';
    is_deeply [grep { !/get-parameters|start hashmill-ec2-fetch/ } calls()], [], 'and nothing is done';

    spew("$dir/victim", "nobody else's\n");
    make_path("$dir/hostile/deep");
    spew("$dir/hostile/$_", $parameter{$_}) for qw(secrets.env ec2.env package.sha256);
    spew("$dir/hostile/escaped", "x\n");
    symlink "$dir/victim", "$dir/hostile/ca.pem" or die;
    link "$dir/victim", "$dir/hostile/peer.pem" or die;
    is system('tar', '-cPf', "$dir/hostile.tar", '-C', "$dir/hostile/deep", '--transform', 's|^\.\./escaped|../../escaped|', map { "../$_" } 'escaped'), 0,
        'an archive with a name that leads out of it';
    is system('tar', '-rPf', "$dir/hostile.tar", '-C', "$dir/hostile", qw(secrets.env ec2.env package.sha256 ca.pem peer.pem)), 0, 'and links';
    unlink "$dir/hostile/escaped";
    ($code, $text) = output(\%env, $node);
    is $code, 0, 'is read' or diag $text;
    ok !-e "$dir/escaped" && !-e "$dir/hostile/escaped", 'nothing is made by its names';
    is slurp("$dir/etc/tls/ca.pem"), $parameter{'ca.pem'}, 'a link is nothing new';
    unlink "$dir/hostile.tar";
};

subtest 'any start' => sub {
    my ($exec, @arguments) = slurp("$root/scripts/install/hashmill.service") =~ m{^ExecStart=/bin/sh -c '(.*)' sh (/usr/bin/hashmill-fcgi) (.*)$}m;
    my $server = program('hashmill-fcgi', "echo \$\$ \"\$@\"\ncase \"\$*\" in *--init) exit \$INIT ;; esac\n");
    my $start = sub ($init) {
        return output({ INIT => $init }, qw(sh -c), $exec =~ s/\$\$/\$/gr, 'sh', $server, split / /, $arguments[1]);
    };
    my $settings = '-c /etc/hashmill/hashmill.env -c /etc/hashmill/secrets.env';
    my ($code, $text) = $start->(0);
    like $text, qr/\A\d+ $settings --init\n\d+ $settings\n\z/, 'the database is made sure of, then it serves';
    is $code, 0, 'as the process that was started';
    for my $failure (75, 76, 78) {
        ($code, $text) = $start->($failure);
        is $code, $failure, "with exit code $failure of --init it ends so";
        unlike $text, qr/env\n/, 'and serves nothing';
    }
};

done_testing();
