#ifndef HASHMILL_ROUNDS_H
#define HASHMILL_ROUNDS_H

/* The initial hash value and the constants of the rounds of SHA-512: the first 64 bits of the
 * fractional parts of the square roots of the first 8 primes, and of the cube roots of the first 80
 * (FIPS 180-4, sections 5.3.5 and 4.2.3). */

#define H0 0x6a09e667f3bcc908U
#define H1 0xbb67ae8584caa73bU
#define H2 0x3c6ef372fe94f82bU
#define H3 0xa54ff53a5f1d36f1U
#define H4 0x510e527fade682d1U
#define H5 0x9b05688c2b3e6c1fU
#define H6 0x1f83d9abfb41bd6bU
#define H7 0x5be0cd19137e2179U

#define K0 0x428a2f98d728ae22U
#define K1 0x7137449123ef65cdU
#define K2 0xb5c0fbcfec4d3b2fU
#define K3 0xe9b5dba58189dbbcU
#define K4 0x3956c25bf348b538U
#define K5 0x59f111f1b605d019U
#define K6 0x923f82a4af194f9bU
#define K7 0xab1c5ed5da6d8118U
#define K8 0xd807aa98a3030242U
#define K9 0x12835b0145706fbeU
#define K10 0x243185be4ee4b28cU
#define K11 0x550c7dc3d5ffb4e2U
#define K12 0x72be5d74f27b896fU
#define K13 0x80deb1fe3b1696b1U
#define K14 0x9bdc06a725c71235U
#define K15 0xc19bf174cf692694U
#define K16 0xe49b69c19ef14ad2U
#define K17 0xefbe4786384f25e3U
#define K18 0x0fc19dc68b8cd5b5U
#define K19 0x240ca1cc77ac9c65U
#define K20 0x2de92c6f592b0275U
#define K21 0x4a7484aa6ea6e483U
#define K22 0x5cb0a9dcbd41fbd4U
#define K23 0x76f988da831153b5U
#define K24 0x983e5152ee66dfabU
#define K25 0xa831c66d2db43210U
#define K26 0xb00327c898fb213fU
#define K27 0xbf597fc7beef0ee4U
#define K28 0xc6e00bf33da88fc2U
#define K29 0xd5a79147930aa725U
#define K30 0x06ca6351e003826fU
#define K31 0x142929670a0e6e70U
#define K32 0x27b70a8546d22ffcU
#define K33 0x2e1b21385c26c926U
#define K34 0x4d2c6dfc5ac42aedU
#define K35 0x53380d139d95b3dfU
#define K36 0x650a73548baf63deU
#define K37 0x766a0abb3c77b2a8U
#define K38 0x81c2c92e47edaee6U
#define K39 0x92722c851482353bU
#define K40 0xa2bfe8a14cf10364U
#define K41 0xa81a664bbc423001U
#define K42 0xc24b8b70d0f89791U
#define K43 0xc76c51a30654be30U
#define K44 0xd192e819d6ef5218U
#define K45 0xd69906245565a910U
#define K46 0xf40e35855771202aU
#define K47 0x106aa07032bbd1b8U
#define K48 0x19a4c116b8d2d0c8U
#define K49 0x1e376c085141ab53U
#define K50 0x2748774cdf8eeb99U
#define K51 0x34b0bcb5e19b48a8U
#define K52 0x391c0cb3c5c95a63U
#define K53 0x4ed8aa4ae3418acbU
#define K54 0x5b9cca4f7763e373U
#define K55 0x682e6ff3d6b2b8a3U
#define K56 0x748f82ee5defb2fcU
#define K57 0x78a5636f43172f60U
#define K58 0x84c87814a1f0ab72U
#define K59 0x8cc702081a6439ecU
#define K60 0x90befffa23631e28U
#define K61 0xa4506cebde82bde9U
#define K62 0xbef9a3f7b2c67915U
#define K63 0xc67178f2e372532bU
#define K64 0xca273eceea26619cU
#define K65 0xd186b8c721c0c207U
#define K66 0xeada7dd6cde0eb1eU
#define K67 0xf57d4f7fee6ed178U
#define K68 0x06f067aa72176fbaU
#define K69 0x0a637dc5a2c898a6U
#define K70 0x113f9804bef90daeU
#define K71 0x1b710b35131c471bU
#define K72 0x28db77f523047d84U
#define K73 0x32caab7b40c72493U
#define K74 0x3c9ebe0a15c9bebcU
#define K75 0x431d67c49c100d4cU
#define K76 0x4cc5d4becb3e42b6U
#define K77 0x597f299cfc657e2aU
#define K78 0x5fcb6fab3ad6faecU
#define K79 0x6c44198c4a475817U

#endif
