#include "sha512_constants.h"

/* Names for what the folding below needs. */
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
#define W8 0x8000000000000000U
#define W15 UINT64_C(512)

/* The functions of FIPS 180-4 section 4.1.3 as constant expressions. */
#define ROTR(x, n) ((x) >> (n) | (x) << (64 - (n)))
#define BIG_SIGMA0(x) (ROTR(x, 28) ^ ROTR(x, 34) ^ ROTR(x, 39))
#define BIG_SIGMA1(x) (ROTR(x, 14) ^ ROTR(x, 18) ^ ROTR(x, 41))
#define SIGMA0(x) (ROTR(x, 1) ^ ROTR(x, 8) ^ (x) >> 7)
#define SIGMA1(x) (ROTR(x, 19) ^ ROTR(x, 61) ^ (x) >> 6)
#define CH(x, y, z) (((x) & (y)) ^ (~(x) & (z)))
#define MAJ(x, y, z) (((x) & (y)) ^ ((x) & (z)) ^ ((y) & (z)))

/* T1 (less W[0]) and T2 of round 0. */
#define FIRST_T1 (H7 + BIG_SIGMA1(H4) + CH(H4, H5, H6) + K0)
#define FIRST_T2 (BIG_SIGMA0(H0) + MAJ(H0, H1, H2))

const struct sha512_constants sha512_constants = {
    .initial = {H0, H1, H2, H3, H4, H5, H6, H7},
    .first_a = FIRST_T1 + FIRST_T2,
    .first_e = H3 + FIRST_T1,
    .head = {0, H6 + K1, H5 + K2, H4 + K3},
    .head_with_d = {0, H6 + K1 + H2, H5 + K2 + H1, H4 + K3 + H0},
    /* W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16] */
    .word =
        {
            [17 - 16] = SIGMA1(W15),
            [22 - 16] = W15,
            [23 - 16] = SIGMA0(W8),
            [24 - 16] = W8,
            [30 - 16] = SIGMA0(W15),
            [31 - 16] = W15,
        },
    .last = {0, H1, H2, H3, H4 - H0, H5, H6, H7},
    /* clang-format off: four in a line */
    .round = {K0,
              K1,
              K2,
              K3,
              0x3956c25bf348b538U,
              0x59f111f1b605d019U,
              0x923f82a4af194f9bU,
              0xab1c5ed5da6d8118U,
              0xd807aa98a3030242U + W8,
              0x12835b0145706fbeU,
              0x243185be4ee4b28cU,
              0x550c7dc3d5ffb4e2U,
              0x72be5d74f27b896fU,
              0x80deb1fe3b1696b1U,
              0x9bdc06a725c71235U,
              0xc19bf174cf692694U + W15,
              0xe49b69c19ef14ad2U,
              0xefbe4786384f25e3U,
              0x0fc19dc68b8cd5b5U,
              0x240ca1cc77ac9c65U,
              0x2de92c6f592b0275U,
              0x4a7484aa6ea6e483U,
              0x5cb0a9dcbd41fbd4U,
              0x76f988da831153b5U,
              0x983e5152ee66dfabU,
              0xa831c66d2db43210U,
              0xb00327c898fb213fU,
              0xbf597fc7beef0ee4U,
              0xc6e00bf33da88fc2U,
              0xd5a79147930aa725U,
              0x06ca6351e003826fU,
              0x142929670a0e6e70U,
              0x27b70a8546d22ffcU,
              0x2e1b21385c26c926U,
              0x4d2c6dfc5ac42aedU,
              0x53380d139d95b3dfU,
              0x650a73548baf63deU,
              0x766a0abb3c77b2a8U,
              0x81c2c92e47edaee6U,
              0x92722c851482353bU,
              0xa2bfe8a14cf10364U,
              0xa81a664bbc423001U,
              0xc24b8b70d0f89791U,
              0xc76c51a30654be30U,
              0xd192e819d6ef5218U,
              0xd69906245565a910U,
              0xf40e35855771202aU,
              0x106aa07032bbd1b8U,
              0x19a4c116b8d2d0c8U,
              0x1e376c085141ab53U,
              0x2748774cdf8eeb99U,
              0x34b0bcb5e19b48a8U,
              0x391c0cb3c5c95a63U,
              0x4ed8aa4ae3418acbU,
              0x5b9cca4f7763e373U,
              0x682e6ff3d6b2b8a3U,
              0x748f82ee5defb2fcU,
              0x78a5636f43172f60U,
              0x84c87814a1f0ab72U,
              0x8cc702081a6439ecU,
              0x90befffa23631e28U,
              0xa4506cebde82bde9U,
              0xbef9a3f7b2c67915U,
              0xc67178f2e372532bU,
              0xca273eceea26619cU,
              0xd186b8c721c0c207U,
              0xeada7dd6cde0eb1eU,
              0xf57d4f7fee6ed178U,
              0x06f067aa72176fbaU,
              0x0a637dc5a2c898a6U,
              0x113f9804bef90daeU,
              0x1b710b35131c471bU,
              0x28db77f523047d84U,
              0x32caab7b40c72493U,
              0x3c9ebe0a15c9bebcU,
              0x431d67c49c100d4cU,
              0x4cc5d4becb3e42b6U,
              0x597f299cfc657e2aU,
              0x5fcb6fab3ad6faecU,
              0x6c44198c4a475817U + H0},
    /* clang-format on */
};
