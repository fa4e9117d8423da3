# The disk: full, and then not; a WAL that somebody removes under the server.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Temp qw(tempdir);
use Hashmill;

# A small filesystem of its own, or undef where this user may not mount one.
sub small_disk {
    my $disk = tempdir('hm-disk-XXXXXX', DIR => '/tmp', CLEANUP => 1);
    return system("mount -t tmpfs -o size=16m hashmill-test $disk 2>/dev/null") == 0 ? $disk : undef;
}

# Fills a filesystem to the last byte.
sub fill ($disk) {
    open my $file, '>:raw', "$disk/filler" or die;
    for my $size (65536, 4096, 1) {
        1 while syswrite $file, 'x' x $size;
    }
    close $file;
    return;
}

my $disk = $> == 0 ? small_disk() : undef;
END { system "umount $disk" if defined $disk }

subtest 'a full disk' => sub {
    plan skip_all => 'only root can mount a small disk' if !defined $disk;
    my $mill = Hashmill->start(DATABASE => "$disk/hashmill.db");
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 5;
    fill($disk);
    my $refused;
    for my $number (1 .. 3000) {
        my $reply = $mill->enqueue("number $number", 10);
        if ($reply->status != 201) { $refused = $reply; last }
        push @stored, $reply->json->{id};
    }
    is $refused && $refused->status, 507, 'an enqueue is answered 507';
    is_problem($refused, 507, 'with a problem that says so');
    ok $refused->header('retry-after'), 'and a time to try again';
    is $mill->item($stored[0])->status, 200, 'items can still be looked at';
    kill 'KILL', $mill->children('writer');
    ok wait_until(20, sub { $mill->get('/stats')->status == 200 }), 'a new writer starts on a full disk';
    unlink "$disk/filler" or die;
    ok wait_until(20, sub { $mill->enqueue('after', 10)->status == 201 }), 'room again: enqueues are taken';
    my ($row) = $mill->sql('SELECT count(*) FROM item');
    is $row->[0], @stored + 1, 'everything answered 201 is there, and nothing else';
    is $mill->work_all, $row->[0] < 512 ? $row->[0] : 512, 'it can be leased and reported';
};

subtest 'the WAL is taken away' => sub {
    my $mill = Hashmill->start;
    $mill->expect_log(qr/was removed or replaced|stopping for good/);
    $mill->expect_log(qr/connect\(\) to unix:/); # nginx's, once nobody listens
    $mill->{server_may_be_gone} = 1;
    $mill->new_item('first', 10);
    unlink "$mill->{settings}{DATABASE}-wal" or die;
    for (1 .. 3000) {
        last if !$mill->{server}->alive || $mill->enqueue("more $_", 10)->status != 201;
    }
    ok defined $mill->{server}->wait_exit(20), 'the server stops';
    is $mill->{server}->exit_code, 76, 'with the exit code that means do not restart';
    like $mill->server_log, qr/stop everything that touches the database/, 'it says what to do';
    is $mill->enqueue('nobody', 10)->status, 503, 'nothing is taken any more';
};

finish();
