/* viterbi_lanes.h - the inner loops of viterbi.c, which includes this twice
 * with LANES (doubles in a vector, 4 or 8) and NAMED(name) defined. */

/* Processors without 512-bit vectors: compiled twice, chosen when the program
 * starts (not with sanitizers: their code does not run yet at that time). */
#if LANES == 8
#define FOR_CPU __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#elif defined(HAVE_WIDE) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define FOR_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_CPU
#endif

typedef double NAMED(lanes) __attribute__((vector_size(LANES * 8)));
typedef int64_t NAMED(lane_ids) __attribute__((vector_size(LANES * 8)));
#define lanes NAMED(lanes)
#define lane_ids NAMED(lane_ids)
#define offer NAMED(offer)
#define put NAMED(put)

/* Where a sum v is above the best so far, it and its index are kept. */
#if LANES == 8
FOR_CPU
#endif
static inline void offer(lanes *best, lane_ids *from, const lanes *v,
                         const lane_ids *index)
{
    lane_ids won = *v > *best;

    *best = (lanes)((won & (lane_ids)*v) | (~won & (lane_ids)*best));
    *from = (won & *index) | (~won & *from);
}

#if LANES == 8
FOR_CPU
#endif
static inline void put(double *best, uint16_t *back, const lanes *m,
                       const lane_ids *from)
{
    memcpy(best, m, sizeof(*m));
    for (int i = 0; i < LANES; i++)
        back[i] = (uint16_t)(*from)[i];
}

/* Into the first states of the lanes from..to - 1: score b = max over a of
 * score[a] + trans[a][b] + density goes to its slot, the first such a to back.
 * The sum is taken in this order and compared as a whole, since that decides
 * ties in madmom. Four intervals b side by side, because one alone would wait
 * for its comparisons. */
FOR_CPU
static void NAMED(transition)(const struct engine *e, size_t from, size_t to,
                              uint16_t *back)
{
    const struct bar_space *s = e->space;

    for (size_t lane = from; lane < to; lane += LANES) {
        lanes density, x, v;

        memcpy(&density, e->enter + lane, sizeof(density));
        for (int b = 0; b < s->n; b += BAR_LANES) {
            int lo = s->lo[b / BAR_LANES], hi = s->hi[b / BAR_LANES];
            const double *t = s->log_trans + (size_t)lo * (size_t)s->stride +
                              b;
            const double *score = e->score + (size_t)lo * e->width + lane;
            lanes m0 = (lanes){0} - INFINITY, m1 = m0, m2 = m0, m3 = m0;
            lane_ids i0 = {0}, i1 = i0, i2 = i0, i3 = i0, index = i0 + lo;
            uint16_t *row = back + (size_t)b * e->width + lane;

            for (int a = lo; a <= hi; a++) {
                memcpy(&x, score, sizeof(x));
                v = (x + t[0]) + density;
                offer(&m0, &i0, &v, &index);
                v = (x + t[1]) + density;
                offer(&m1, &i1, &v, &index);
                v = (x + t[2]) + density;
                offer(&m2, &i2, &v, &index);
                v = (x + t[3]) + density;
                offer(&m3, &i3, &v, &index);
                index += 1;
                t += s->stride;
                score += e->width;
            }
            put(e->slot[b] + lane, row, &m0, &i0);
            if (b + 1 < s->n)
                put(e->slot[b + 1] + lane, row + e->width, &m1, &i1);
            if (b + 2 < s->n)
                put(e->slot[b + 2] + lane, row + 2 * e->width, &m2, &i2);
            if (b + 3 < s->n)
                put(e->slot[b + 3] + lane, row + 3 * e->width, &m3, &i3);
        }
    }
}

/* Last states of the lanes from..to - 1: the score at the first state, due now,
 * plus the density since. It is stored one lane further, where the next beat
 * looks for it; the last beat of a bar belongs to the first of the bar. */
FOR_CPU
static void NAMED(leave)(struct engine *e, const double *due, size_t from,
                         size_t to)
{
    for (int k = 0; k < e->space->n; k++) {
        double *score = e->score + (size_t)k * e->width;

        for (size_t lane = from; lane < to; lane += LANES) {
            lanes x, pick;

            memcpy(&x, due + (size_t)k * e->width + lane, sizeof(x));
            for (int c = 0; c < e->classes; c++) {
                memcpy(&pick, e->pick + (size_t)c * e->width + lane,
                       sizeof(pick));
                x += pick * e->whole[c * e->space->n + k];
            }
            memcpy(score + lane + 1, &x, sizeof(x));
        }
        for (int m = 0; m < e->num_bars; score += e->bars[m++])
            score[0] = score[e->bars[m]];
    }
}

#undef FOR_CPU
#undef lanes
#undef lane_ids
#undef offer
#undef put
#undef LANES
#undef NAMED
