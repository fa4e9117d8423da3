# Content-Digest and Repr-Digest (RFC 9530) on enqueue: checked when they are there; a body that was damaged on its
# way is refused and not stored.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha256 sha512);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Hashmill;

my $mill = Hashmill->start;
my $body = 'the body';

sub field ($algorithm, $digest) { return "$algorithm=:" . encode_base64($digest, '') . ':' }
my $good_512 = field('sha-512', sha512($body));
my $good_256 = field('sha-256', sha256($body));
my $bad_512  = field('sha-512', sha512('another'));
my $bad_256  = field('sha-256', sha256('another'));

my %taken = (
    'sha-512' => $good_512, 'sha-256' => $good_256, 'both' => "$good_512, $good_256",
    'both, the other way round' => "$good_256,$good_512", 'an empty one' => '',
    'with one that nobody knows' => "md9=:AAAA:, $good_512",
);
for my $name (sort keys %taken) {
    is $mill->enqueue($body, 5, "$_-Digest" => $taken{$name})->status, 201, "$_-Digest taken: $name" for 'Content', 'Repr';
}
my $stored = $mill->stats->{items}{waiting};
is $stored, 2 * keys %taken, 'all of them are stored';

my %refused = (
    'wrong sha-512' => $bad_512, 'wrong sha-256' => $bad_256, 'right, then wrong' => "$good_512, $bad_256",
    'wrong, then right' => "$bad_512, $good_256", 'too short' => 'sha-512=:AAAA:', 'no colons' => 'sha-512=AAAA',
    'one colon' => 'sha-512=:' . encode_base64(sha512($body), ''), 'no base64' => 'sha-512=:!!!!:',
    'no value' => 'sha-512',
    'not a field' => ':::', 'hexadecimal' => 'sha-512=:' . unpack('H*', sha512($body)) . ':',
    'trailing junk' => "$good_512 x", 'trailing comma' => "$good_512,",
    'a digest of the wrong kind' => field('sha-256', sha512($body)),
);
for my $name (sort keys %refused) {
    for my $field ('Content-Digest', 'Repr-Digest') {
        my $problem = is_problem($mill->enqueue($body, 5, $field => $refused{$name}), 400, "$field refused: $name");
        like $problem->{detail}, qr/\Q$field/, 'the detail says which';
    }
}
is_problem($mill->enqueue($body, 5, 'Content-Digest' => $good_512, 'Repr-Digest' => $bad_256), 400, 'one right, one wrong');
is_problem($mill->enqueue($body, 5, 'Content-Digest' => $bad_256, 'Repr-Digest' => $good_512), 400, 'the other way round');
is $mill->enqueue($body, 5, 'Content-Digest' => $good_512, 'Repr-Digest' => $good_256)->status, 201, 'both right';
$stored++;
is $mill->stats->{items}{waiting}, $stored, 'none of these is stored';

my $large = random_body(262_144);
is $mill->enqueue($large, 5, 'Content-Digest' => field('sha-512', sha512($large)))->status, 201, 'a large body';
substr $large, 200_000, 1, chr(ord(substr $large, 200_000, 1) ^ 1);
is_problem($mill->enqueue($large, 5, 'Content-Digest' => $good_512), 400, 'one bit off');

finish();
