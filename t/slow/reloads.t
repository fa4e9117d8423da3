# A hundred reloads under full load: no request is lost or answered otherwise than without them. Slow: only with
# HASHMILL_SLOW=1.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Load;

plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW};
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build);

use constant RELOADS => 100;

for my $clients (16, 64) {
    subtest "$clients clients" => sub {
        my $mill = Hashmill->start(build => $build);
        my $load = background(sub { crowd($mill, $clients) });
        # A new writer may lock the database for a moment.
        my $count = sub { return eval { ($mill->sql('SELECT count(*) FROM item'))[0][0] } };
        my $served = 0;
        for my $round (1 .. RELOADS) {
            my $before;
            wait_until(30, sub { defined($before = $count->()) });
            $mill->reload or $mill->give_up("reload $round");
            $served += wait_until(30, sub { ($count->() // 0) > $before + $clients }) ? 1 : 0;
        }
        is $served, RELOADS, 'there is load before each reload and after it';
        my $seen = $load->stop->result;
        is_deeply $seen->{odd}, [], "of $seen->{answers}{201} requests none is answered otherwise than 201";
        is $count->(), scalar keys $seen->{items}->%*, 'what is stored is what was answered';
        unlike slurp("$mill->{dir}/nginx/access.log") // '', qr/"status":5/, 'nginx has failed none';
    };
}

finish();
