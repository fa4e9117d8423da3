#include "sha512_constants.h"

#include "vector/rounds.h"

/* The words that are padding. */
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
    .round = {K0,  K1,        K2,  K3,  K4,  K5,  K6,  K7,  K8 + W8, K9,      K10, K11, K12, K13,
              K14, K15 + W15, K16, K17, K18, K19, K20, K21, K22,     K23,     K24, K25, K26, K27,
              K28, K29,       K30, K31, K32, K33, K34, K35, K36,     K37,     K38, K39, K40, K41,
              K42, K43,       K44, K45, K46, K47, K48, K49, K50,     K51,     K52, K53, K54, K55,
              K56, K57,       K58, K59, K60, K61, K62, K63, K64,     K65,     K66, K67, K68, K69,
              K70, K71,       K72, K73, K74, K75, K76, K77, K78,     K79 + H0},
};
