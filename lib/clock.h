#ifndef HASHMILL_CLOCK_H
#define HASHMILL_CLOCK_H

#include <stdint.h>

/*
 * The two clocks of a machine. Wall time jumps: use it only for what people are shown. Deadlines
 * and durations use steady time (CLOCK_BOOTTIME), which only moves forward.
 *
 * A test build (-DHASHMILL_TEST) adds offsets from the file that HASHMILL_TEST_CLOCK names: two
 * native 64-bit integers, milliseconds added to wall time and to steady time, read at each call.
 */

enum { CLOCK_TEXT_SIZE = 25 };

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_ms(void);

/* Milliseconds since some fixed moment before the process started; the same for all processes of a
 * machine until it reboots. */
int64_t clock_steady_ms(void);

/* The same in microseconds, for short durations. */
int64_t clock_steady_us(void);

/* How long a poll may sleep until steady time reaches until_ms: 0 when that has passed, at most
 * INT_MAX. A test build never sleeps longer than 20 ms, so that it notices a moved clock. */
int clock_timeout_ms(int64_t until_ms);

/* Writes wall time as RFC 3339 in UTC with milliseconds, "2026-01-31T12:00:00.000Z", and a NUL.
 * Times outside the years 1970 to 9999 are shown as the nearest of these. */
void clock_format(char text[CLOCK_TEXT_SIZE], int64_t wall_ms);

#endif
