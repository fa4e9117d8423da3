# Whoever stops a worker often signals it twice within a moment, as timeout and npm do: both signals count as one. A
# later signal counts as the second.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep);
use Hashmill;
use Hashmill::FakeNode;
use Hashmill::Util;

# A node that gives one long item, and takes a while for each report.
sub slow_node ($seconds) {
    my $given = 0;
    return Hashmill::FakeNode->start(
        lease => sub ($request) {
            my ($id) = $request =~ /"request":"([^"]+)"/;
            return (204, '') if $given++;
            return (200, sprintf '{"lease":"%s","ttl":60,"items":[{"id":"%s","chain":"%s","remaining":900000000000}]}',
                $id, uuid(), '0' x 128);
        },
        results => sub ($request) {
            sleep $seconds;
            return (200, sprintf '{"taken":[%s],"lost":[]}', join ',', $request =~ /"id":("[^"]+")/g);
        });
}

sub started ($fake) {
    my $worker = $fake->start_worker(Hashmill::build_directory());
    ok wait_until(30, sub { $fake->counts->{leases} > 0 }), 'the worker has an item';
    return $worker;
}

for my $signals (['TERM', 'TERM'], ['TERM', 'INT'], ['INT', 'INT', 'HUP']) {
    subtest "@$signals within a moment" => sub {
        my $fake = slow_node(1);
        my $worker = started($fake);
        for my $signal (@$signals) {
            $worker->kill($signal);
            # The next one must not merge with this one.
            wait_until(5, sub { (slurp('/proc/' . $worker->pid . '/status') // '') =~ /^ShdPnd:\s+0+$/m });
        }
        is $worker->wait_exit(20), 0, 'it drains and ends well';
        is $fake->counts->{releases}, 1, 'its item is given back';
        unlike $worker->log, qr/second time/, 'nothing is left to lapse';
    };
}

subtest 'again, later' => sub {
    my $fake = slow_node(30);
    my $worker = started($fake);
    ok wait_until(10, sub { $worker->kill('TERM') if $worker->alive; sleep 0.05; !$worker->alive }), 'it leaves at once';
    is $worker->exit_code, 75, 'with its own exit code';
    like $worker->log, qr/told to stop a second time/, 'and says so';
};

subtest 'the time that it may use is over' => sub {
    my $fake = slow_node(0);
    my $worker = started($fake);
    $worker->kill('XCPU');
    is $worker->wait_exit(20), 0, 'it drains and ends well';
    is $fake->counts->{releases}, 1, 'its item is given back';
};

done_testing();
