// Attention on Hopper: a block has two groups of four warps that compute, each on one of a pair of adjacent tiles of
// 64 tokens, and one group that brings what both read (Shah et al. 2024, arXiv 2407.08608). `starts[pair]..starts[pair
// + 1]` in `list` tells the tiles that either sees, `order` the pairs, the longest first. What a pair gives depends on
// nothing but its list, so neither do sums on which block had it.

#ifdef HOPPER

#define HOPPER_THREADS 384
// 168 a thread at the start, which is what there is; handed from those that bring to those that compute.
#define BRING_REGISTERS 24
#define COMPUTE_REGISTERS 240

// The job of a block that has done `round` jobs: as they get shorter, the last in one round is the first in the next.
DEVICE u32 job_of(u32 round) {
    return round & 1 ? (round + 1) * gridDim.x - 1 - blockIdx.x : round * gridDim.x + blockIdx.x;
}

DEVICE u32 aligned_shared(const u16 *shared) { return (shared_address(shared) + 1023) & ~1023u; }

// Scores of 64 queries and two tiles of keys become chances yet to be divided by `total`; what was summed up so far is
// to shrink.
DEVICE void soften(float (&scores)[64], float scale, float *most, float *total, float *shrink) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float here = most[half];
#pragma unroll
        for (int n = 0; n < 16; n++) here = fmaxf(here, fmaxf(scores[4 * n + 2 * half], scores[4 * n + 2 * half + 1]));
        here = fmaxf(here, __shfl_xor_sync(0xffffffffu, here, 1));
        here = fmaxf(here, __shfl_xor_sync(0xffffffffu, here, 2));
        // A row that has seen nothing yet.
        float shift = here == -INFINITE ? 0.0f : here * scale;
        shrink[half] = power2(most[half] * scale - shift);
        most[half] = here;
        float sum = 0.0f;
#pragma unroll
        for (int n = 0; n < 16; n++)
#pragma unroll
            for (int j = 2 * half; j < 2 * half + 2; j++) {
                scores[4 * n + j] = power2(scores[4 * n + j] * scale - shift);
                sum += scores[4 * n + j];
            }
        total[half] = total[half] * shrink[half] + sum;
    }
}

// Products' results as a left operand.
template <int N> DEVICE void as_left(u32 (&out)[N], const float (&values)[2 * N]) {
#pragma unroll
    for (int i = 0; i < N; i++) out[i] = pair(values[2 * i], values[2 * i + 1]);
}

// 64 rows by N columns, DIM deep, both by rows: the left one a tile, the right one with panels `across` bytes apart.
template <int N> DEVICE void multiply_rows(float (&out)[N], u32 left, u32 right, u32 across) {
    u64 a = operand(left, PANEL), b = operand(right, across);
#pragma unroll
    for (int d = 0; d < DIM; d += 16)
        multiply_wide<0>(out, a + FURTHER(d / 64 * PANEL + d % 64 * 2), b + FURTHER(d / 64 * across + d % 64 * 2), d > 0);
}

// Adds to 64 rows of DIM columns the product of `left` with the rows of a tile.
template <int N> DEVICE void multiply_depths(float (&out)[DIM / 2], const u32 (&left)[N], u32 right, u32 across) {
    u64 b = operand(right, across);
#pragma unroll
    for (int k = 0; k < N / 4; k++) multiply_wide<1>(out, left + 4 * k, b + FURTHER(k * 16 * 128), 1);
}

// Two rows of results of each thread, in bf16.
DEVICE void put_rows(u16 *out, int pitch, const float (&sums)[DIM / 2], int row, int tokens, float first, float second) {
    int lane = threadIdx.x & 31;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        if (row + 8 * half >= tokens) continue;
        float by = half ? second : first;
        u16 *to = out + (size_t)(row + 8 * half) * pitch + (lane & 3) * 2;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++)
            *(u32 *)(to + i * 8) = pair(sums[4 * i + 2 * half] * by, sums[4 * i + 2 * half + 1] * by);
    }
}

// One job after the other is a pair of tiles of queries and a head. Keys and values come by two tiles.
KERNEL __launch_bounds__(HOPPER_THREADS, 1)
attend_pairs(const u16 *rows, int pitch, u16 *out, int out_pitch, float *log_sums, const u32 *order,
             const u32 *starts, const u32 *list, Sight sight, int heads, int kv_heads, float scale) {
    extern __shared__ __align__(16) u16 shared[];
    __shared__ u64 barriers[12];
    constexpr u32 PAIR = 2 * BLOCK, ACROSS = 2 * PANEL;
    u32 queries = aligned_shared(shared), keys = queries + 2 * PAIR, values = keys + 2 * PAIR;
    Ring<2> query_ring(shared_address(barriers)), key_ring(query_ring.barriers + 32), value_ring(key_ring.barriers + 32);
    if (threadIdx.x == 0) {
        query_ring.begin(128, 8);
        key_ring.begin(128, 8);
        value_ring.begin(128, 8);
    }
    __syncthreads();
    int tokens = sight.tokens, share = heads / kv_heads;
    u32 jobs = (tokens + 2 * ROWS - 1) / (2 * ROWS) * heads;
    if (threadIdx.x < 128) {
        registers_less<BRING_REGISTERS>();
        Bringer bringer = {0};
        u32 job;
        for (u32 round = 0; (job = job_of(round)) < jobs; round++) {
            int two = order[job / heads], head = job % heads, kv = head / share;
            const u16 *key_rows = rows + (heads + kv) * DIM, *value_rows = rows + (heads + kv_heads + kv) * DIM;
            bringer.claim(query_ring);
            for (int half = 0; half < 2; half++)
                bring(queries + query_ring.stage * PAIR + half * BLOCK, PANEL, rows + head * DIM, pitch,
                      (2 * two + half) * ROWS, tokens);
            bringer.close(query_ring);
            u32 end = starts[two + 1];
            for (u32 at = starts[two]; at < end; at += 2) {
                // The last one may be alone; what is beside it is not seen.
                int first = tile_of(list[at]) * ROWS, second = tile_of(list[min(at + 1, end - 1)]) * ROWS;
                bringer.claim(key_ring);
                bring(keys + key_ring.stage * PAIR, ACROSS, key_rows, pitch, first, tokens);
                bring(keys + key_ring.stage * PAIR + PANEL, ACROSS, key_rows, pitch, second, tokens);
                bringer.close(key_ring);
                bringer.claim(value_ring);
                bring(values + value_ring.stage * PAIR, ACROSS, value_rows, pitch, first, tokens);
                bring(values + value_ring.stage * PAIR + PANEL, ACROSS, value_rows, pitch, second, tokens);
                bringer.close(value_ring);
            }
        }
        bringer.finish();
    } else {
        registers_more<COMPUTE_REGISTERS>();
        int half = (threadIdx.x >> 7) - 1, lane = threadIdx.x & 31, warp = threadIdx.x >> 5 & 3;
        u32 job;
        for (u32 round = 0; (job = job_of(round)) < jobs; round++) {
            int two = order[job / heads], head = job % heads;
            int row = (2 * two + half) * ROWS + warp * 16 + (lane >> 2);
            int query[2] = {row < tokens ? row : -1, row + 8 < tokens ? row + 8 : -1};
            u32 place[2] = {sight.positions[max(query[0], 0)], sight.positions[max(query[1], 0)]};
            float sums[DIM / 2], scores[64], most[2] = {-INFINITE, -INFINITE}, total[2] = {0.0f, 0.0f}, shrink[2];
            u32 chances[32];
#pragma unroll
            for (int i = 0; i < DIM / 2; i++) sums[i] = 0.0f;
            u32 at = starts[two], end = starts[two + 1], own = queries + query_ring.stage * PAIR + half * BLOCK;
            auto hide = [&](u32 at) {
                u32 first = list[at], second = at + 1 < end ? list[at + 1] : 0;
                hide_keys<0>(scores, sight, seen_by(first, half), query, place, tile_of(first) * ROWS + (lane & 3) * 2);
                hide_keys<32>(scores, sight, seen_by(second, half), query, place, tile_of(second) * ROWS + (lane & 3) * 2);
            };
            wait_passed(query_ring.full(), query_ring.parity);
            wait_passed(key_ring.full(), key_ring.parity);
            pin(scores);
            products_begin();
            multiply_rows(scores, own, keys + key_ring.stage * PAIR, ACROSS);
            products_end();
            products_done<0>();
            pin(scores);
            if (lane == 0) arrive(key_ring.empty());
            key_ring.next();
            hide(at);
            soften(scores, scale, most, total, shrink);
            as_left(chances, scores);
            for (at += 2; at < end; at += 2) {
                // The scores of these keys, while the values of those before are summed up.
                wait_passed(key_ring.full(), key_ring.parity);
                pin(scores);
                pin(sums);
                pin(chances);
                products_begin();
                multiply_rows(scores, own, keys + key_ring.stage * PAIR, ACROSS);
                products_end();
                wait_passed(value_ring.full(), value_ring.parity);
                multiply_depths(sums, chances, values + value_ring.stage * PAIR, ACROSS);
                products_end();
                products_done<1>();
                pin(scores);
                if (lane == 0) arrive(key_ring.empty());
                key_ring.next();
                hide(at);
                soften(scores, scale, most, total, shrink);
                products_done<0>();
                pin(sums);
                pin(chances);
                if (lane == 0) arrive(value_ring.empty());
                value_ring.next();
                as_left(chances, scores);
#pragma unroll
                for (int i = 0; i < DIM / 2; i++) sums[i] *= shrink[i >> 1 & 1];
            }
            if (lane == 0) arrive(query_ring.empty());
            query_ring.next();
            wait_passed(value_ring.full(), value_ring.parity);
            pin(sums);
            pin(chances);
            products_begin();
            multiply_depths(sums, chances, values + value_ring.stage * PAIR, ACROSS);
            products_end();
            products_done<0>();
            pin(sums);
            if (lane == 0) arrive(value_ring.empty());
            value_ring.next();
#pragma unroll
            for (int i = 0; i < 2; i++) {
                total[i] += __shfl_xor_sync(0xffffffffu, total[i], 1);
                total[i] += __shfl_xor_sync(0xffffffffu, total[i], 2);
                if ((lane & 3) == 0 && query[i] >= 0)
                    log_sums[(size_t)head * tokens + query[i]] = most[i] * scale + __log2f(total[i]);
            }
            put_rows(out + head * DIM, out_pitch, sums, row, tokens, 1.0f / total[0], 1.0f / total[1]);
        }
    }
}

#endif
