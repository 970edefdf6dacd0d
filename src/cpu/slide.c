/* slide.c — see slide.h.

   Source: implicit products as in Goto and van de Geijn (2008); the phases of a transposed
   convolution after Shi et al., "Is the deconvolution layer the same as a convolutional layer?"
   (2016). A block of the image is copied with its padding into a slab, one plane for each remainder
   by the stride, so that every tap meets consecutive results at consecutive elements: results are
   numbered along the slab's rows, and those that fall between two rows are computed and dropped. A
   panel of results is then gathered by a table of offsets, one a channel and tap, and all outputs'
   weights pass by it. One or two outputs a group (depthwise) read the slab without a panel, and very
   few results are dot products. Without padding and strides the image is its own slab.

   ConvTranspose is one such sum for each remainder of a result's position by its stride.

   Bound by compute: 75 to 90 % of the tile's rate from 24 outputs on; depthwise by loads from the
   first cache, 3 x 3 and smaller by memory. */
#include "cpu/slide.h"

#include "cpu/loops.h"
#include "cpu/simd.h"

#include <string.h>

enum {
    PANEL = 6144,        /* floats of a panel: three quarters of a 32 KiB cache             */
    WIDE = 144,          /* results whose panels take turns with the same weights           */
    DEPTH = 256,         /* the most channels and taps of a panel                           */
    ROWS = 256,          /* outputs that pass by them: with all, half of a 1 MiB cache      */
    CHUNK = 1024,        /* results of a depthwise row                                      */
    SLAB = 1 << 17,      /* floats of a slab that stay in the second cache                  */
    SLAB_MOST = 1 << 24, /* and those that are unreasonable, unless the image is so large   */
    RUNS = WIDE          /* a panel's and a chunk's stretches of results                    */
};

/* How one part walks a dimension: position t and tap i meet element t * stride + first + i * delta
   of the padded image, by the kernel's tap `tap` + i * tap_step; results lie at start + step * t. */
typedef struct axis {
    int64_t first, delta, taps;
    int64_t tap, tap_step;
    int64_t start, step, count;
} axis;

typedef struct part {
    axis axis[WINDOW_RANK];
    int64_t depth;         /* channels * taps                */
    const int64_t *offset; /* [depth], in the slab           */
    const float *weight;   /* [groups * outputs, merged, depth] */
} part;

typedef struct slide_job {
    const slide *s;
    uint32_t rank;
    int64_t image[WINDOW_RANK], result[WINDOW_RANK], image_size, result_size;
    int64_t stride[WINDOW_RANK], before[WINDOW_RANK];
    int64_t shift[WINDOW_RANK];  /* the farthest tap / stride                                */
    int64_t phases[WINDOW_RANK]; /* remainders of taps by the stride                         */
    int64_t total[WINDOW_RANK], block[WINDOW_RANK], blocks[WINDOW_RANK]; /* positions        */
    int64_t rows[WINDOW_RANK]; /* of the slab in each dimension               */
    int64_t pitch[WINDOW_RANK], result_pitch[WINDOW_RANK];
    int64_t plane, channel, slab; /* floats of a phase, a channel, all                       */
    bool direct;                  /* the image is the slab                                   */
    int64_t parts, output_block, output_blocks, image_blocks;
    int64_t merged; /* parts that differ in weights and where results lie only; else 1 */
    part *part;
    char *memory;
    uint64_t each, panel, sums; /* bytes of a thread; floats of its panels and sums */
} slide_job;

static int64_t up(int64_t a, int64_t b) /* a / b rounded up, b > 0 */
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t common_factor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* ── Geometry ── */

/* Remainders of a dimension's taps by its stride repeat after so many taps. */
static int64_t tap_period(const window *w, uint32_t d)
{
    return w->stride[d] / common_factor(w->stride[d], w->dilation[d]);
}

/* Of a transposed dimension each remainder that taps have is a part; `lead` makes all taps positive. */
static axis axis_of(const slide *s, uint32_t d, int64_t part, int64_t lead)
{
    const window *w = &s->window;
    if (!s->transposed)
        return (axis){0, w->dilation[d], w->kernel[d], 0, 1, 0, 1, w->result[d]};
    int64_t stride = w->stride[d], period = tap_period(w, d), at = part * w->dilation[d];
    int64_t rest = at % stride, from = up(w->before[d] - rest, stride);
    int64_t start = from * stride + rest - w->before[d];
    return (axis){.first = from - (at - rest) / stride + lead,
                  .delta = -period * w->dilation[d] / stride,
                  .taps = up(w->kernel[d] - part, period),
                  .tap = part,
                  .tap_step = period,
                  .start = start,
                  .step = stride,
                  .count = most(0, up(w->image[d] - start, stride))};
}

static int64_t axis_last(const axis *x)
{
    return x->first + (x->taps - 1) * x->delta;
}

static int64_t axis_parts(const slide *s, uint32_t d)
{
    return s->transposed ? least(s->window.kernel[d], tap_period(&s->window, d)) : 1;
}

static void read_dimension(slide_job *job, uint32_t d)
{
    const slide *s = job->s;
    const window *w = &s->window;
    int64_t parts = axis_parts(s, d), lead = 0;
    job->image[d] = s->transposed ? w->result[d] : w->image[d];
    job->result[d] = s->transposed ? w->image[d] : w->result[d];
    job->stride[d] = s->transposed ? 1 : w->stride[d];
    job->phases[d] = s->transposed ? 1 : least(w->kernel[d], tap_period(w, d));
    job->parts *= parts;
    for (int64_t p = 0; s->transposed && p < parts; p++) {
        axis x = axis_of(s, d, p, 0);
        lead = most(lead, -axis_last(&x));
    }
    job->before[d] = s->transposed ? lead : w->before[d];
    job->shift[d] = job->total[d] = 0;
    for (int64_t p = 0; p < parts; p++) {
        axis x = axis_of(s, d, p, lead);
        job->shift[d] = most(job->shift[d], most(x.first, axis_last(&x)) / job->stride[d]);
        job->total[d] = most(job->total[d], x.count);
    }
}

/* Rows of the last dimension share their padding: what a row reads behind its end are the zeros
   that the next one begins with. */
static int64_t shared_pitch(const slide_job *job)
{
    uint32_t d = job->rank - 1;
    int64_t rows = job->total[d] + job->shift[d], zeros = rows, content = 0;
    for (int64_t p = 0; p < job->phases[d]; p++) {
        int64_t phase = job->s->transposed ? 0 : p * job->s->window.dilation[d] % job->stride[d];
        zeros = least(zeros, up(job->before[d] - phase, job->stride[d]));
        content = most(content, up(job->image[d] + job->before[d] - phase, job->stride[d]));
    }
    return most(most(job->total[d], least(content, rows)), rows - most(zeros, 0));
}

/* Where a kernel does not overlap itself, all parts of a transposed convolution meet the same
   elements, and their outputs are outputs of one. */
static bool same_taps(const slide_job *job)
{
    const slide *s = job->s;
    bool same = s->transposed && job->parts > 1 && job->parts * 4 <= ROWS;
    for (uint32_t d = 0; same && d < job->rank; d++) {
        axis x = axis_of(s, d, 0, job->before[d]);
        for (int64_t p = 1; p < axis_parts(s, d); p++) {
            axis y = axis_of(s, d, p, job->before[d]);
            same = same && x.first == y.first && x.taps == y.taps && x.count == y.count;
        }
    }
    return same;
}

static double slab_floats(const slide_job *job)
{
    double n = (double)job->s->channels;
    for (uint32_t d = 0; d < job->rank; d++)
        n *= (double)job->phases[d] * ((double)job->block[d] + (double)job->shift[d]);
    return n;
}

/* Blocks of positions that fit the cache and are enough for the threads. */
static bool choose_blocks(slide_job *job, uint32_t threads)
{
    const slide *s = job->s;
    uint32_t last = job->rank - 1;
    double image = (double)s->channels * (double)job->image_size;
    memcpy(job->block, job->total, sizeof job->block);
    for (uint32_t d = 0; !job->direct && d < job->rank; d++) {
        /* halos stay small as long as four times the cache does not overflow */
        double limit = s->outputs * job->merged <= 2 ? SLAB / 16 : SLAB;
        int64_t halo = d == last ? 64 : most(1, 8 * job->shift[d]);
        while (slab_floats(job) > (job->block[d] > halo ? limit : 4 * limit) &&
               job->block[d] > (d == last ? 64 : 1))
            job->block[d] = (job->block[d] + 1) / 2;
    }
    for (uint32_t d = 0; !job->direct && d < job->rank; d++)
        while (slab_floats(job) > SLAB_MOST && slab_floats(job) > 2 * image && job->block[d] > 1)
            job->block[d] = (job->block[d] + 1) / 2;
    if (!job->direct && slab_floats(job) > SLAB_MOST && slab_floats(job) > 2 * image)
        return false;
    int64_t units = s->batches * s->groups;
    for (uint32_t d = 0; d < job->rank; d++) {
        job->blocks[d] = up(job->total[d], job->block[d]);
        units *= job->blocks[d];
    }
    /* more blocks of the first dimension, of the same size, while halos stay small */
    int64_t wanted = threads > 1 ? 4 * (int64_t)threads : 1, wide = job->direct ? 1 : 4;
    int64_t rows = most(wide * job->shift[0], job->rank == 1 ? 4 * simd()->panel_columns : 1);
    if (units < wanted && units > 0)
        job->blocks[0] = most(job->blocks[0], least(up(wanted, units / job->blocks[0]),
                                                    job->total[0] / most(rows, 1)));
    job->block[0] = up(job->total[0], job->blocks[0]);
    if (job->rank == 1)
        job->block[0] = up(job->block[0], simd()->panel_columns) * simd()->panel_columns;
    job->image_blocks = 1;
    for (uint32_t d = 0; d < job->rank; d++) {
        job->blocks[d] = up(job->total[d], job->block[d]);
        job->image_blocks *= job->blocks[d];
    }
    units = s->batches * s->groups * job->image_blocks;
    job->output_blocks = units >= wanted / 2 ? 1 : up(wanted, units);
    job->output_block = most(up(s->outputs, job->output_blocks), 4 * simd()->tile_rows);
    job->output_block = up(job->output_block, simd()->tile_rows) * simd()->tile_rows;
    job->output_blocks = up(s->outputs, job->output_block);
    return true;
}

static bool lay_out(slide_job *job, uint32_t threads)
{
    const slide *s = job->s;
    job->rank = s->window.rank;
    job->parts = job->image_size = job->result_size = 1;
    job->direct = true;
    bool flat = !s->transposed;
    for (uint32_t d = 0; d < job->rank; d++) {
        read_dimension(job, d);
        job->direct = job->direct && job->stride[d] == 1 && job->before[d] == 0 &&
                      job->total[d] + job->shift[d] <= job->image[d];
        flat = flat && job->shift[d] == 0 && job->total[d] == job->image[d];
        job->image_size *= job->image[d];
        job->result_size *= job->result[d];
    }
    job->image_blocks = 0;
    for (uint32_t d = 0; d < job->rank; d++)
        if (job->total[d] == 0) /* an output_shape so small that no tap reaches it */
            return true;
    job->merged = same_taps(job) && job->s->outputs * job->parts > 2 ? job->parts : 1; /* 2: taps */
    if (job->direct && flat) { /* every element once: space is one dimension */
        job->rank = 1;
        job->total[0] = job->image[0] = job->result[0] = job->image_size;
    }
    if (!choose_blocks(job, threads))
        return false;
    uint32_t last = job->rank - 1;
    int64_t phases = 1;
    job->plane = job->result_pitch[last] = 1;
    for (uint32_t d = job->rank; d-- > 0;) {
        job->rows[d] = job->block[d] + job->shift[d];
        if (d == last && job->blocks[d] == 1 && !job->direct)
            job->rows[d] = shared_pitch(job);
        if (job->direct)
            job->rows[d] = job->image[d];
        job->pitch[d] = job->plane;
        job->plane *= job->rows[d];
        phases *= job->phases[d];
        if (d > 0)
            job->result_pitch[d - 1] = job->result_pitch[d] * job->result[d];
    }
    job->channel = job->direct ? job->image_size : job->plane * phases;
    job->slab = job->channel * s->channels + job->block[last] + job->shift[last];
    job->slab = job->direct ? 0 : up(job->slab, 16) * 16; /* so that panels are aligned */
    return true;
}

/* ── Tables ── */

/* Offsets and, for a transposed convolution, the weights of a part in the order of its taps. */
static void fill_part(const slide_job *job, part *p, int64_t row, int64_t *offset, float *weight)
{
    const slide *s = job->s;
    const window *w = &s->window;
    int64_t taps = p->depth / s->channels, dims[WINDOW_RANK], at[WINDOW_RANK] = {0};
    for (uint32_t d = 0; d < w->rank; d++)
        dims[d] = p->axis[d].taps;
    for (int64_t t = 0; t < taps; t++) {
        int64_t phase = 0, place = 0, source = 0;
        for (uint32_t d = 0; d < w->rank; d++) {
            const axis *x = &p->axis[d];
            source = source * w->kernel[d] + x->tap + at[d] * x->tap_step;
            if (d >= job->rank) /* space is flat, and all taps are 0 */
                continue;
            phase = phase * job->phases[d] + at[d] % job->phases[d];
            place += (x->first + at[d] * x->delta) / job->stride[d] * job->pitch[d];
        }
        for (int64_t c = 0; c < s->channels; c++)
            offset[c * taps + t] = c * job->channel + phase * job->plane + place;
        for (int64_t o = 0; s->transposed && o < s->groups * s->outputs; o++)
            for (int64_t c = 0; c < s->channels; c++) {
                int64_t from = (o / s->outputs * s->channels + c) * s->outputs + o % s->outputs;
                weight[(o * job->merged + row) * p->depth + c * taps + t] =
                    s->weight[from * w->kernel_size + source];
            }
        window_next(w->rank, dims, at);
    }
    p->offset = offset;
    p->weight = s->transposed ? weight : s->weight;
}

static void fill_parts(slide_job *job, int64_t *offset, float *weight)
{
    const slide *s = job->s;
    int64_t dims[WINDOW_RANK], at[WINDOW_RANK] = {0};
    for (uint32_t d = 0; d < s->window.rank; d++)
        dims[d] = axis_parts(s, d);
    for (int64_t i = 0; i < job->parts; i++) {
        part *p = &job->part[i];
        p->depth = s->channels;
        for (uint32_t d = 0; d < s->window.rank; d++) {
            p->axis[d] = axis_of(s, d, at[d], s->transposed ? job->before[d] : 0);
            p->depth *= p->axis[d].taps;
        }
        if (job->rank < s->window.rank)
            p->axis[0].count = job->total[0];
        fill_part(job, p, job->merged > 1 ? i : 0, offset, weight);
        if (job->merged == 1) {
            offset += p->depth;
            weight += s->transposed ? s->groups * s->outputs * p->depth : 0;
        }
        window_next(s->window.rank, dims, at);
    }
}

/* ── The slab ── */

/* One row of `count`: every step-th element from `row` on in [begin, end), zeros around; all zeros
   where there is no row. */
static void slab_row(float *to, int64_t count, const float *row, int64_t begin, int64_t end,
                     int64_t step)
{
    if (row == NULL)
        begin = end = 0;
    for (int64_t i = 0; i < begin; i++)
        to[i] = 0;
    if (step == 1 && end > begin)
        memcpy(to + begin, row, (size_t)(end - begin) * sizeof(float));
    else if (step == 2)
        simd()->even(to + begin, row, end - begin);
    else
        for (int64_t i = begin; i < end; i++)
            to[i] = row[(i - begin) * step];
    for (int64_t i = end; i < count; i++)
        to[i] = 0;
}

/* The remainder by the stride that a phase stands for. */
static int64_t remainder_of(const slide_job *job, uint32_t d, int64_t phase)
{
    const window *w = &job->s->window;
    return job->s->transposed ? 0 : phase % job->phases[d] * w->dilation[d] % w->stride[d];
}

/* The block from position `lo` on of one group's image. */
static void fill_slab(const slide_job *job, const float *x, const int64_t *lo, float *slab)
{
    uint32_t last = job->rank - 1;
    int64_t count = job->rows[last];
    const int64_t *needed = job->rows; /* of a short block too: rows read on into the next one */
    for (int64_t c = 0; c < job->s->channels; c++, x += job->image_size) {
        int64_t phase[WINDOW_RANK] = {0};
        do {
            int64_t at[WINDOW_RANK] = {0}, rest[WINDOW_RANK];
            for (uint32_t d = 0; d <= last; d++)
                rest[d] = remainder_of(job, d, phase[d]) - job->before[d];
            int64_t step = job->stride[last], first = lo[last] * step + rest[last];
            int64_t begin = least(count, most(0, up(-first, step)));
            int64_t end = least(count, most(begin, up(job->image[last] - first, step)));
            first += begin * step;
            do {
                const float *row = x;
                int64_t place = 0, source = 0;
                for (uint32_t d = 0; d < last; d++) {
                    int64_t i = (lo[d] + at[d]) * job->stride[d] + rest[d];
                    if (i < 0 || i >= job->image[d])
                        row = NULL;
                    place += at[d] * job->pitch[d];
                    source = source * job->image[d] + i;
                }
                slab_row(slab + place, count,
                         row != NULL ? row + source * job->image[last] + first : NULL, begin, end,
                         step);
            } while (window_next(last, needed, at));
            slab += job->plane;
        } while (window_next(job->rank, job->phases, phase));
    }
    memset(slab, 0, (size_t)(job->slab - job->channel * job->s->channels) * sizeof(float));
}

/* ── One block ── */

typedef struct run {
    int64_t from, to, n; /* results `from` on of a panel are those at `to` of the channel */
} run;

typedef struct block {
    const slide_job *job;
    const part *part;
    const float *base; /* of the slab */
    int64_t lo[WINDOW_RANK], n[WINDOW_RANK], positions;
    int64_t at[WINDOW_RANK]; /* find_runs' place */
    int64_t first, filters;  /* outputs of all groups */
    float *y;                /* and more: the first output's channel */
    const float *more;
    float *panel, *sums, *weights;
} block;

/* Which of the next `columns` positions of a block are results. */
static int64_t find_runs(block *b, int64_t columns, run *runs)
{
    const slide_job *job = b->job;
    uint32_t last = job->rank - 1;
    int64_t *at = b->at, count = 0;
    for (int64_t p = 0; p < columns;) {
        int64_t to = 0, some = columns - p;
        bool inside = at[last] < b->n[last];
        for (uint32_t d = 0; d <= last; d++) {
            const axis *x = &b->part->axis[d];
            inside = inside && at[d] < b->n[d];
            to += (x->start + (b->lo[d] + at[d]) * x->step) * job->result_pitch[d];
        }
        if (inside)
            runs[count++] = (run){p, to, least(b->n[last] - at[last], some)};
        if (last == 0 || at[last] + some < job->rows[last]) {
            at[last] += some;
            break;
        }
        p += job->rows[last] - at[last];
        at[last] = 0;
        for (uint32_t d = last; d-- > 0; at[d] = 0)
            if (++at[d] < job->rows[d] || d == 0)
                break;
    }
    return count;
}

/* Sums of `rows` outputs, or of rows of one output (bias_step 0), become results. */
static void finish(const block *b, int64_t rows, int64_t n, float *sums, int64_t sums_row,
                   int64_t to, int64_t to_row, const float *bias, int64_t bias_step)
{
    const slide *s = b->job->s;
    int64_t step = b->part->axis[b->job->rank - 1].step;
    if (step == 1) {
        simd()->finish(rows, n, sums, sums_row, b->y + to, to_row, bias, bias_step,
                       b->more != NULL ? b->more + to : NULL, &s->f);
        return;
    }
    simd()->finish(rows, n, sums, sums_row, sums, sums_row, bias, bias_step, NULL, &s->f);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            b->y[to + r * to_row + i * step] = sums[r * sums_row + i];
}

/* Sums of `rows` outputs of as many parts. */
static void finish_merged(const block *b, int64_t rows, int64_t n, float *sums, int64_t sums_row,
                          int64_t to, const float *bias)
{
    const slide_job *job = b->job;
    uint32_t last = job->rank - 1;
    int64_t parts = job->merged, step = b->part->axis[last].step;
    for (int64_t r = 0; r < rows * parts; r++, sums += sums_row) {
        const part *p = &job->part[r % parts];
        float *y = b->y + to + r / parts * job->result_size;
        simd()->finish(1, n, sums, n, sums, n, bias != NULL ? bias + r / parts : NULL, 0, NULL,
                       &job->s->f);
        for (uint32_t d = 0; d <= last; d++)
            y += (p->axis[d].start - job->part[0].axis[d].start) * job->result_pitch[d];
        bool pair = step == 2 && r % 2 == 1 && p->axis[last].start == p[-1].axis[last].start + 1;
        bool first = step == 2 && r % 2 == 0 && parts % 2 == 0 &&
                     p[1].axis[last].start == p->axis[last].start + 1;
        if (pair && parts % 2 == 0)
            simd()->zip(y - 1, sums - sums_row, sums, n);
        else if (!first)
            for (int64_t i = 0; i < n; i++)
                y[i * step] = sums[i];
    }
}

/* One or two outputs: rows of sums straight from the slab. */
static void block_taps(block *b)
{
    const slide_job *job = b->job;
    const part *p = b->part;
    int64_t pitch = job->rank > 1 ? job->rows[job->rank - 1] : CHUNK;
    int64_t chunk = pitch < CHUNK ? least(CHUNK / pitch, RUNS) * pitch : CHUNK;
    run runs[RUNS + 1];
    for (int64_t at = 0; at < b->positions; at += chunk) {
        int64_t columns = least(chunk, b->positions - at);
        int64_t count = find_runs(b, columns, runs);
        for (int64_t o = 0; count > 0 && o < b->filters; o++) {
            const float *bias = job->s->bias != NULL ? job->s->bias + b->first + o : NULL;
            simd()->taps(b->sums, b->base + at, p->offset, p->weight + (b->first + o) * p->depth,
                         p->depth, columns);
            for (int64_t i = 0; i < count;) { /* even rows in one go */
                int64_t rows = 1, from = pitch,
                        to = i + 1 < count ? runs[i + 1].to - runs[i].to : 0;
                while (i + rows < count && runs[i + rows].n == runs[i].n &&
                       runs[i + rows].from == runs[i].from + rows * from &&
                       runs[i + rows].to == runs[i].to + rows * to)
                    rows++;
                finish(b, rows, runs[i].n, b->sums + runs[i].from, from,
                       o * job->result_size + runs[i].to, to, bias, 0);
                i += rows;
            }
        }
    }
}

/* `rows` rows of the weights next to one another where all of them are larger than the second cache:
   such rows lie so far apart that they push each other and the panel out of the first. */
static const float *pack_weights(const block *b, int64_t output, int64_t rows, int64_t k,
                                 int64_t count, int64_t *row)
{
    const float *from = b->part->weight + (b->first + output) * b->job->merged * b->part->depth + k;
    *row = b->part->depth;
    if (rows * b->part->depth < SLAB)
        return from;
    *row = count;
    for (int64_t r = 0; r < rows; r++)
        memcpy(b->weights + r * count, from + r * b->part->depth, (size_t)count * sizeof(float));
    return b->weights;
}

/* Panels of results that all outputs' weights pass by; a few panels in turn, so that the weights
   come from the second cache for all but the first. */
static void block_panels(block *b)
{
    const slide_job *job = b->job;
    const part *p = b->part;
    const simd_table *v = simd();
    int64_t width = v->panel_columns, steps = up(p->depth, least(DEPTH, PANEL / width));
    int64_t depth = up(p->depth, steps), wide = WIDE / width * width;
    run runs[RUNS + 1];
    for (int64_t at = 0; at < b->positions; at += wide) {
        int64_t columns = least(wide, b->positions - at), count = find_runs(b, columns, runs);
        int64_t most_outputs = ROWS / job->merged;
        for (int64_t o = 0; count > 0 && o < b->filters; o += most_outputs) {
            int64_t rows = least(most_outputs, b->filters - o) * job->merged;
            for (int64_t k = 0; k < p->depth; k += depth) {
                int64_t some = least(depth, p->depth - k);
                int64_t row;
                const float *weights = pack_weights(b, o, rows, k, some, &row);
                for (int64_t c = 0; c < columns; c += width) {
                    float *panel = b->panel + c * depth;
                    if (o == 0 || steps > 1)
                        v->gather(panel, b->base + at + c, p->offset + k, some,
                                  least(width, columns - c));
                    v->panel_tile(rows, least(width, columns - c), some, weights, row, panel,
                                  b->sums + c, WIDE, k > 0);
                }
            }
            const float *bias = job->s->bias != NULL ? job->s->bias + b->first + o : NULL;
            for (int64_t i = 0; i < count; i++) {
                int64_t to = o * job->result_size + runs[i].to;
                float *sums = b->sums + runs[i].from;
                if (job->merged > 1)
                    finish_merged(b, rows / job->merged, runs[i].n, sums, WIDE, to, bias);
                else
                    finish(b, rows, runs[i].n, sums, WIDE, to, job->result_size, bias, 1);
            }
        }
    }
}

/* Units are blocks of outputs of blocks of the images of all groups and batches. */
static void slide_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const slide_job *job = arg;
    const slide *s = job->s;
    float *slab = (float *)(void *)(job->memory + thread * job->each);
    block b = {.job = job, .panel = slab + job->slab};
    b.sums = b.panel + job->panel;
    b.weights = b.sums + job->sums;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t output = unit % job->output_blocks * job->output_block;
        int64_t at = unit / job->output_blocks % job->image_blocks;
        int64_t image = unit / (job->output_blocks * job->image_blocks), group = image % s->groups;
        const float *x = s->x + image * s->channels * job->image_size;
        for (uint32_t d = job->rank; d-- > 0; at /= job->blocks[d]) {
            b.lo[d] = at % job->blocks[d] * job->block[d];
            x += job->direct ? b.lo[d] * job->pitch[d] : 0;
        }
        b.first = group * s->outputs + output;
        b.filters = least(job->output_block, s->outputs - output);
        b.y = s->y + (image * s->outputs + output) * job->result_size;
        b.more = s->more != NULL ? s->more + (b.y - s->y) : NULL;
        b.base = x;
        if (!job->direct) {
            fill_slab(job, x, b.lo, slab);
            b.base = slab;
        }
        for (int64_t i = 0; i < job->parts / job->merged; i++) {
            b.part = &job->part[i];
            b.positions = 1;
            memset(b.at, 0, sizeof b.at);
            for (uint32_t d = 0; d < job->rank; d++) {
                b.n[d] = least(b.lo[d] + job->block[d], b.part->axis[d].count) - b.lo[d];
                b.positions =
                    b.n[d] > 0 && b.positions > 0 ? b.positions + (b.n[d] - 1) * job->pitch[d] : 0;
            }
            if (s->outputs * job->merged <= 2)
                block_taps(&b);
            else
                block_panels(&b);
        }
    }
}

/* ── Few results ── */

/* Too few for a panel: each is a row of what its taps meet, and those are dot products. */
typedef struct few_job {
    const slide *s;
    const float *met; /* [batches, groups, results, channels * taps] */
} few_job;

static void few_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const few_job *job = arg;
    const slide *s = job->s;
    int64_t n = s->window.result_size, depth = s->channels * s->window.kernel_size;
    for (int64_t b = 0; b < s->batches; b++)
        for (int64_t o = begin, rows; o < end; o += rows) {
            int64_t g = o / s->outputs, to = (b * s->groups * s->outputs + o) * n;
            rows = least(end, (g + 1) * s->outputs) - o;
            simd()->dots(rows, n, depth, s->weight + o * depth, depth,
                         job->met + (b * s->groups + g) * n * depth, depth, s->y + to, n);
            simd()->finish(rows, n, s->y + to, n, s->y + to, n,
                           s->bias != NULL ? s->bias + o : NULL, 1,
                           s->more != NULL ? s->more + to : NULL, &s->f);
        }
}

static brink_status few_results(const kernel_args *a, const slide *s)
{
    const window *w = &s->window;
    int64_t taps = w->kernel_size, depth = s->channels * taps, images = s->batches * s->groups;
    float *met = kernel_scratch(a, (uint64_t)(images * w->result_size * depth) * sizeof(float));
    if (met == NULL)
        return BRINK_OUT_OF_MEMORY;
    few_job job = {s, met};
    for (int64_t r = 0; r < w->result_size; r++) {
        int64_t at[WINDOW_RANK];
        window_coordinates(w->rank, w->result, r, at);
        for (int64_t t = 0; t < taps; t++) {
            int64_t source = window_source(w, at, t);
            for (int64_t i = 0; i < images; i++)
                for (int64_t c = 0; c < s->channels; c++)
                    met[(i * w->result_size + r) * depth + c * taps + t] =
                        source < 0 ? 0 : s->x[(i * s->channels + c) * w->image_size + source];
        }
    }
    int64_t grain = grain_for(s->batches * w->result_size * depth / 8);
    thread_for(a->context->pool, s->groups * s->outputs, (grain + 3) / 4 * 4, few_range, &job);
    return BRINK_OK;
}

/* ── All ── */

/* Results that no tap reaches: where the stride is longer than the kernel. */
static void fill_untouched(const slide *s)
{
    int64_t size = s->window.image_size;
    for (int64_t c = 0; c < s->batches * s->groups * s->outputs; c++) {
        float value = s->bias != NULL ? s->bias[c % (s->groups * s->outputs)] : 0;
        value = activate(&s->f, value);
        for (int64_t i = 0; i < size; i++)
            s->y[c * size + i] = value;
    }
}

brink_status slide_run(const kernel_args *a, const slide *s, bool *done)
{
    const window *w = &s->window;
    uint32_t threads = thread_pool_size(a->context->pool);
    int64_t filters = s->groups * s->outputs, tables = s->channels * w->kernel_size;
    *done = true;
    if (!s->transposed && w->result_size * 4 <= simd()->panel_columns)
        return few_results(a, s);
    slide_job job = {.s = s};
    *done = lay_out(&job, threads);
    if (!*done)
        return BRINK_OK;
    if (job.image_blocks == 0) {
        if (s->transposed)
            fill_untouched(s);
        return BRINK_OK;
    }
    uint64_t part_bytes = (uint64_t)job.parts * sizeof(part);
    uint64_t offset_bytes = (uint64_t)tables * sizeof(int64_t);
    uint64_t weight_bytes = s->transposed ? (uint64_t)(tables * filters) * sizeof(float) : 0;
    uint64_t shared = whole_lines(part_bytes + offset_bytes + weight_bytes);
    bool wide = s->outputs * job.merged > 2; /* and not block_taps */
    int64_t rows = least(ROWS, s->outputs * job.merged), deep = least(tables, DEPTH);
    job.sums = (uint64_t)(wide ? rows * WIDE : CHUNK);
    job.panel = (uint64_t)(wide ? deep * WIDE : 0);
    job.each = ((uint64_t)job.slab + job.panel + job.sums + (uint64_t)(wide ? rows * deep : 0));
    job.each = whole_lines(job.each * sizeof(float));
    char *memory = kernel_scratch(a, shared + threads * job.each);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    job.part = (part *)(void *)memory;
    job.memory = memory + shared;
    fill_parts(&job, (int64_t *)(void *)(memory + part_bytes),
               (float *)(void *)(memory + part_bytes + offset_bytes));
    for (uint32_t d = 0; s->transposed && d < w->rank; d++)
        if (axis_parts(s, d) < w->stride[d]) {
            fill_untouched(s);
            break;
        }
    int64_t units = s->batches * s->groups * job.image_blocks * job.output_blocks, positions = 1;
    for (uint32_t d = 0; d < job.rank; d++)
        positions *= job.block[d];
    thread_for(a->context->pool, units,
               grain_for(positions * least(job.output_block, s->outputs) * tables / 16),
               slide_range, &job);
    return BRINK_OK;
}
