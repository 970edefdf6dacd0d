/* fft.h — discrete Fourier transforms of any length, in f64. */
#ifndef CPU_FFT_H
#define CPU_FFT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fft_number {
    double re, im;
} fft_number;

/* Tables for one length; in memory of the caller. */
typedef struct fft {
    int64_t n;    /* of the transform                                        */
    int64_t size; /* of the transform that is computed: n, or a power of two */
    uint32_t factor_count;
    uint32_t factors[64];    /* of size                                          */
    const fft_number *roots; /* [size] exp(−2πik / size)                         */
    const fft_number *chirp; /* [n] exp(−πik² / n), NULL unless Bluestein's      */
    const fft_number *other; /* [size] transform of the conjugate chirp, divided by size */
} fft;

/* Numbers that the tables, and each thread's work, take for length n (1 to 2^40). */
int64_t fft_table_count(int64_t n);
int64_t fft_work_count(int64_t n);

/* `tables` holds fft_table_count(n) numbers and lives as long as *f. */
void fft_init(fft *f, int64_t n, fft_number *tables);

/* x[n] = sum over k of x[k] exp(∓2πi n k / N), with + and divided by N when `inverse`. */
void fft_run(const fft *f, bool inverse, fft_number *x, fft_number *work);

#endif
