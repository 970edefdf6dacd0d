/* fft.c — Stockham's self-sorting transform for lengths of small prime factors, Bluestein's for the
   others.

   Sources: Van Loan, Computational Frameworks for the Fast Fourier Transform (1992), 1.7 and 2.3;
   Bluestein 1970: a transform of length n as a convolution with a chirp, here of a power of two of
   at least 2n − 1. Bound by compute: n times the sum of the factors. */
#include "cpu/fft.h"

#include <math.h>
#include <string.h>

#define TAU 6.283185307179586476925286766559

enum { LARGEST_FACTOR = 13 };

static fft_number times(fft_number a, fft_number b)
{
    return (fft_number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static fft_number conjugate(fft_number a)
{
    return (fft_number){a.re, -a.im};
}

/* Divides the factors up to LARGEST_FACTOR, fours before twos, out of n; the rest is 1 if that was
   all. */
static int64_t factorize(int64_t n, uint32_t *factors, uint32_t *count)
{
    *count = 0;
    for (uint32_t p = 4; p <= LARGEST_FACTOR; p = p == 4 ? 2 : p == 2 ? 3 : p + 2)
        for (; n % p == 0; n /= p)
            factors[(*count)++] = p;
    return n;
}

static int64_t computed_size(int64_t n, uint32_t *factors, uint32_t *count)
{
    if (factorize(n, factors, count) == 1)
        return n;
    int64_t size = 1;
    while (size < 2 * n - 1)
        size *= 2;
    factorize(size, factors, count);
    return size;
}

int64_t fft_table_count(int64_t n)
{
    uint32_t factors[64], count;
    int64_t size = computed_size(n, factors, &count);
    return size == n ? size : 2 * size + n + size; /* the last for the making */
}

int64_t fft_work_count(int64_t n)
{
    uint32_t factors[64], count;
    int64_t size = computed_size(n, factors, &count);
    return size == n ? size : 2 * size;
}

/* One stage: blocks of length n with stride s from x to y, by radix p. */
static void stage(const fft *f, uint32_t p, int64_t n, int64_t s, const fft_number *x,
                  fft_number *y)
{
    int64_t m = n / p, step = f->size / n;
    fft_number part[LARGEST_FACTOR];
    for (int64_t j = 0; j < m; j++)
        for (int64_t q = 0; q < s; q++) {
            for (uint32_t r = 0; r < p; r++)
                part[r] = x[q + s * (j + m * r)];
            fft_number *to = y + q + s * p * j;
            if (p == 2) {
                to[0] = (fft_number){part[0].re + part[1].re, part[0].im + part[1].im};
                to[s] = times((fft_number){part[0].re - part[1].re, part[0].im - part[1].im},
                              f->roots[j * step]);
            } else if (p == 4) {
                fft_number a = {part[0].re + part[2].re, part[0].im + part[2].im};
                fft_number b = {part[0].re - part[2].re, part[0].im - part[2].im};
                fft_number c = {part[1].re + part[3].re, part[1].im + part[3].im};
                fft_number d = {part[1].im - part[3].im, part[3].re - part[1].re};
                to[0] = (fft_number){a.re + c.re, a.im + c.im};
                to[s] = times((fft_number){b.re + d.re, b.im + d.im}, f->roots[j * step]);
                to[2 * s] = times((fft_number){a.re - c.re, a.im - c.im}, f->roots[2 * j * step]);
                to[3 * s] = times((fft_number){b.re - d.re, b.im - d.im}, f->roots[3 * j * step]);
            } else {
                for (uint32_t k = 0; k < p; k++) {
                    fft_number sum = part[0];
                    for (uint32_t r = 1; r < p; r++) {
                        fft_number v = times(part[r], f->roots[f->size / p * (r * k % p)]);
                        sum = (fft_number){sum.re + v.re, sum.im + v.im};
                    }
                    to[s * k] = times(sum, f->roots[j * k * step]);
                }
            }
        }
}

/* The forward transform of f->size numbers in x. */
static void transform(const fft *f, fft_number *x, fft_number *work)
{
    fft_number *from = x, *to = work;
    int64_t n = f->size, s = 1;
    for (uint32_t i = 0; i < f->factor_count; i++) {
        stage(f, f->factors[i], n, s, from, to);
        n /= f->factors[i];
        s *= f->factors[i];
        fft_number *swap = from;
        from = to;
        to = swap;
    }
    if (from != x)
        memcpy(x, from, (size_t)f->size * sizeof *x);
}

void fft_init(fft *f, int64_t n, fft_number *tables)
{
    *f = (fft){.n = n, .roots = tables};
    f->size = computed_size(n, f->factors, &f->factor_count);
    for (int64_t k = 0; k < f->size; k++) {
        double angle = -TAU * (double)k / (double)f->size;
        tables[k] = (fft_number){cos(angle), sin(angle)};
    }
    if (f->size == n)
        return;
    fft_number *other = tables + f->size, *chirp = other + f->size, *work = chirp + n;
    memset(other, 0, (size_t)f->size * sizeof *other);
    int64_t square = 0; /* k² modulo 2n, so that the angle stays small and exact */
    for (int64_t k = 0; k < n; k++) {
        double angle = -TAU / 2 * (double)square / (double)n;
        chirp[k] = (fft_number){cos(angle), sin(angle)};
        other[k] = conjugate(chirp[k]);
        if (k > 0)
            other[f->size - k] = other[k];
        square = (square + 2 * k + 1) % (2 * n);
    }
    transform(f, other, work);
    for (int64_t k = 0; k < f->size; k++)
        other[k] = (fft_number){other[k].re / (double)f->size, other[k].im / (double)f->size};
    f->chirp = chirp;
    f->other = other;
}

/* The convolution's inverse transform is a forward one between conjugations. */
static void bluestein(const fft *f, fft_number *x, fft_number *work)
{
    fft_number *a = work, *rest = work + f->size;
    memset(a, 0, (size_t)f->size * sizeof *a);
    for (int64_t k = 0; k < f->n; k++)
        a[k] = times(x[k], f->chirp[k]);
    transform(f, a, rest);
    for (int64_t k = 0; k < f->size; k++)
        a[k] = conjugate(times(a[k], f->other[k]));
    transform(f, a, rest);
    for (int64_t k = 0; k < f->n; k++)
        x[k] = times(conjugate(a[k]), f->chirp[k]);
}

void fft_run(const fft *f, bool inverse, fft_number *x, fft_number *work)
{
    for (int64_t k = 0; inverse && k < f->n; k++)
        x[k] = conjugate(x[k]);
    if (f->chirp != NULL)
        bluestein(f, x, work);
    else
        transform(f, x, work);
    for (int64_t k = 0; inverse && k < f->n; k++)
        x[k] = (fft_number){x[k].re / (double)f->n, -x[k].im / (double)f->n};
}
