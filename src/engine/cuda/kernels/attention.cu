// Causal attention over packed groups (Dao 2023, arXiv 2307.08691): 4 warps, each with 16 rows of a tile.
// Which tiles see each other is told by lists: `starts[tile]..starts[tile + 1]` in `list`, whose
// entries are the other tile, with the top bit set where all of it is seen.

#define STAGES (PAD <= 128 ? 2 : 1)

KERNEL attend(const u16 *rows, int pitch, u16 *out, int out_pitch, float *log_sums, const u32 *starts,
              const u32 *list, Sight sight, int heads, int kv_heads, float scale) {
    extern __shared__ __align__(16) u16 shared[];
    u16 *queries = shared, *keys = shared + TILE, *values = keys + STAGES * TILE;
    int tile = gridDim.x - 1 - blockIdx.x, head = blockIdx.y, kv = head / (heads / kv_heads);
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, tokens = sight.tokens;
    const u16 *key_rows = rows + (heads + kv) * DIM, *value_rows = rows + (heads + kv_heads + kv) * DIM;
    u32 first = starts[tile], end = starts[tile + 1];
    fetch(queries, rows + head * DIM, pitch, tile * ROWS, tokens);
    int other = (list[first] & 0x7fffffff) * ROWS;
    fetch(keys, key_rows, pitch, other, tokens);
    fetch(values, value_rows, pitch, other, tokens);
    commit();
    float sums[PAD / 8][4];
#pragma unroll
    for (int i = 0; i < PAD / 8; i++)
        for (int j = 0; j < 4; j++) sums[i][j] = 0.0f;
    float most[2] = {-INFINITE, -INFINITE}, total[2] = {0.0f, 0.0f};
    int query = tile * ROWS + warp * 16 + (lane >> 2);
    for (u32 at = first; at < end; at++) {
        int stage = STAGES == 2 ? (at - first) & 1 : 0;
        u16 *key_tile = keys + stage * TILE, *value_tile = values + stage * TILE;
        if (STAGES == 1 && at > first) {
            __syncthreads();
            int next = (list[at] & 0x7fffffff) * ROWS;
            fetch(keys, key_rows, pitch, next, tokens);
            fetch(values, value_rows, pitch, next, tokens);
            commit();
        }
        arrived<0>();
        __syncthreads();
        if (STAGES == 2 && at + 1 < end) {
            int next = (list[at + 1] & 0x7fffffff) * ROWS;
            fetch(keys + (stage ^ 1) * TILE, key_rows, pitch, next, tokens);
            fetch(values + (stage ^ 1) * TILE, value_rows, pitch, next, tokens);
            commit();
        }
        float scores[8][4];
#pragma unroll
        for (int i = 0; i < 8; i++)
            for (int j = 0; j < 4; j++) scores[i][j] = 0.0f;
#pragma unroll
        for (int d = 0; d < PAD; d += 16) {
            u32 a[4];
            left(a, queries, warp * 16, d);
#pragma unroll
            for (int n = 0; n < 4; n++) {
                u32 b[4];
                right(b, key_tile, n * 16, d);
                mma(scores[2 * n], a, b[0], b[1]);
                mma(scores[2 * n + 1], a, b[2], b[3]);
            }
        }
        u32 entry = list[at];
        int key = (entry & 0x7fffffff) * ROWS + (lane & 3) * 2;
        if (!(entry >> 31)) {
#pragma unroll
            for (int n = 0; n < 8; n++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (!sees(sight, query + (j >> 1) * 8, key + n * 8 + (j & 1))) scores[n][j] = -INFINITE;
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float here = most[half];
#pragma unroll
            for (int n = 0; n < 8; n++) here = fmaxf(here, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
            here = fmaxf(here, __shfl_xor_sync(0xffffffffu, here, 1));
            here = fmaxf(here, __shfl_xor_sync(0xffffffffu, here, 2));
            // A row that has seen nothing yet.
            float shift = here == -INFINITE ? 0.0f : here * scale;
            float shrink = power2(most[half] * scale - shift);
            most[half] = here;
            float sum = 0.0f;
#pragma unroll
            for (int n = 0; n < 8; n++) {
#pragma unroll
                for (int j = 2 * half; j < 2 * half + 2; j++) {
                    scores[n][j] = power2(scores[n][j] * scale - shift);
                    sum += scores[n][j];
                }
            }
            total[half] = total[half] * shrink + sum;
#pragma unroll
            for (int i = 0; i < PAD / 8; i++) {
                sums[i][2 * half] *= shrink;
                sums[i][2 * half + 1] *= shrink;
            }
        }
#pragma unroll
        for (int k = 0; k < 4; k++) {
            u32 a[4] = {pair(scores[2 * k][0], scores[2 * k][1]), pair(scores[2 * k][2], scores[2 * k][3]),
                        pair(scores[2 * k + 1][0], scores[2 * k + 1][1]),
                        pair(scores[2 * k + 1][2], scores[2 * k + 1][3])};
#pragma unroll
            for (int n = 0; n < PAD / 16; n++) {
                u32 b[4];
                right_turned(b, value_tile, k * 16, n * 16);
                mma(sums[2 * n], a, b[0], b[1]);
                mma(sums[2 * n + 1], a, b[2], b[3]);
            }
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = total[half];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        int row = query + 8 * half;
        if (row >= tokens) continue;
        float inverse = 1.0f / sum;
        if ((lane & 3) == 0) log_sums[(size_t)head * tokens + row] = most[half] * scale + __log2f(sum);
        u16 *to = out + (size_t)row * out_pitch + head * DIM + (lane & 3) * 2;
#pragma unroll
        for (int i = 0; i < PAD / 8; i++)
            if (i * 8 < DIM)
                *(u32 *)(to + i * 8) = pair(sums[i][2 * half] * inverse, sums[i][2 * half + 1] * inverse);
    }
}

// For each token and head the product of output and its gradient, one block a token; eights of a head are summed up
// by the fewest lanes, a power of two, that have one each.
KERNEL attend_delta(const u16 *out, int out_pitch, const u16 *grads, int pitch, float *delta, int tokens, int heads) {
    constexpr int LANES = DIM <= 8 ? 1 : DIM <= 16 ? 2 : DIM <= 32 ? 4 : DIM <= 64 ? 8 : DIM <= 128 ? 16 : 32;
    int token = blockIdx.x, at = threadIdx.x % LANES * 8;
    for (int first = 0; first < heads; first += blockDim.x / LANES) {
        int head = first + threadIdx.x / LANES;
        float sum = 0.0f;
        if (head < heads && at < DIM) {
            Eight o = load8(out + (size_t)token * out_pitch + head * DIM + at);
            Eight g = load8(grads + (size_t)token * pitch + head * DIM + at);
#pragma unroll
            for (int j = 0; j < 8; j++) sum += o.v[j] * g.v[j];
        }
#pragma unroll
        for (int step = LANES / 2; step > 0; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
        if (head < heads && at == 0) delta[(size_t)head * tokens + token] = sum;
    }
}

// Queries (or keys) that are worked on at once in the backward pass, to spare registers.
#define SLICE (PAD <= 64 ? 64 : 32)

// Gradients of 64 queries.
KERNEL attend_back_query(const u16 *rows, int pitch, const u16 *grads, int grad_pitch, const float *log_sums,
                         const float *delta, u16 *out, int out_pitch, const u32 *starts, const u32 *list, Sight sight,
                         int heads, int kv_heads, float scale, float plain_scale) {
    extern __shared__ __align__(16) u16 shared[];
    u16 *queries = shared, *flows = queries + TILE, *keys = flows + TILE, *values = keys + TILE;
    int tile = gridDim.x - 1 - blockIdx.x, head = blockIdx.y, kv = head / (heads / kv_heads);
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, tokens = sight.tokens;
    fetch(queries, rows + head * DIM, pitch, tile * ROWS, tokens);
    fetch(flows, grads + head * DIM, grad_pitch, tile * ROWS, tokens);
    float sums[PAD / 8][4];
#pragma unroll
    for (int i = 0; i < PAD / 8; i++)
        for (int j = 0; j < 4; j++) sums[i][j] = 0.0f;
    int query = tile * ROWS + warp * 16 + (lane >> 2);
    float logs[2], deltas[2];
    for (int half = 0; half < 2; half++) {
        int row = min(query + 8 * half, tokens - 1);
        logs[half] = log_sums[(size_t)head * tokens + row];
        deltas[half] = delta[(size_t)head * tokens + row];
    }
    for (u32 at = starts[tile]; at < starts[tile + 1]; at++) {
        u32 entry = list[at];
        int other = (entry & 0x7fffffff) * ROWS;
        __syncthreads();
        fetch(keys, rows + (heads + kv) * DIM, pitch, other, tokens);
        fetch(values, rows + (heads + kv_heads + kv) * DIM, pitch, other, tokens);
        commit();
        arrived<0>();
        __syncthreads();
#pragma unroll
        for (int slice = 0; slice < ROWS; slice += SLICE) {
            float scores[SLICE / 8][4], flow[SLICE / 8][4];
#pragma unroll
            for (int i = 0; i < SLICE / 8; i++)
                for (int j = 0; j < 4; j++) scores[i][j] = flow[i][j] = 0.0f;
#pragma unroll
            for (int d = 0; d < PAD; d += 16) {
                u32 a[4], g[4];
                left(a, queries, warp * 16, d);
                left(g, flows, warp * 16, d);
#pragma unroll
                for (int n = 0; n < SLICE / 16; n++) {
                    u32 b[4];
                    right(b, keys, slice + n * 16, d);
                    mma(scores[2 * n], a, b[0], b[1]);
                    mma(scores[2 * n + 1], a, b[2], b[3]);
                    right(b, values, slice + n * 16, d);
                    mma(flow[2 * n], g, b[0], b[1]);
                    mma(flow[2 * n + 1], g, b[2], b[3]);
                }
            }
            int key = other + slice + (lane & 3) * 2;
#pragma unroll
            for (int n = 0; n < SLICE / 8; n++)
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    float chance = power2(scores[n][j] * scale - logs[j >> 1]);
                    if (!(entry >> 31) && !sees(sight, query + (j >> 1) * 8, key + n * 8 + (j & 1))) chance = 0.0f;
                    scores[n][j] = chance * (flow[n][j] - deltas[j >> 1]);
                }
#pragma unroll
            for (int k = 0; k < SLICE / 16; k++) {
                u32 a[4] = {pair(scores[2 * k][0], scores[2 * k][1]), pair(scores[2 * k][2], scores[2 * k][3]),
                            pair(scores[2 * k + 1][0], scores[2 * k + 1][1]),
                            pair(scores[2 * k + 1][2], scores[2 * k + 1][3])};
#pragma unroll
                for (int n = 0; n < PAD / 16; n++) {
                    u32 b[4];
                    right_turned(b, keys, slice + k * 16, n * 16);
                    mma(sums[2 * n], a, b[0], b[1]);
                    mma(sums[2 * n + 1], a, b[2], b[3]);
                }
            }
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = query + 8 * half;
        if (row >= tokens) continue;
        u16 *to = out + (size_t)row * out_pitch + head * DIM + (lane & 3) * 2;
#pragma unroll
        for (int i = 0; i < PAD / 8; i++)
            if (i * 8 < DIM)
                *(u32 *)(to + i * 8) = pair(sums[i][2 * half] * plain_scale, sums[i][2 * half + 1] * plain_scale);
    }
}

// Gradients of 64 keys and values by the query heads of one split: [splits, tokens, 2 kv_heads DIM].
KERNEL attend_back_key(const u16 *rows, int pitch, const u16 *grads, int grad_pitch, const float *log_sums,
                       const float *delta, float *out, const u32 *starts, const u32 *list, Sight sight, int heads,
                       int kv_heads, int splits, float scale, float plain_scale) {
    extern __shared__ __align__(16) u16 shared[];
    u16 *queries = shared, *flows = queries + TILE, *keys = flows + TILE, *values = keys + TILE;
    __shared__ float logs[ROWS], deltas[ROWS];
    int tile = blockIdx.x, kv = blockIdx.y / splits, split = blockIdx.y % splits;
    int share = heads / kv_heads, own = share / splits;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, tokens = sight.tokens;
    fetch(keys, rows + (heads + kv) * DIM, pitch, tile * ROWS, tokens);
    fetch(values, rows + (heads + kv_heads + kv) * DIM, pitch, tile * ROWS, tokens);
    float key_sums[PAD / 8][4], value_sums[PAD / 8][4];
#pragma unroll
    for (int i = 0; i < PAD / 8; i++)
        for (int j = 0; j < 4; j++) key_sums[i][j] = value_sums[i][j] = 0.0f;
    int key = tile * ROWS + warp * 16 + (lane >> 2);
    for (int h = 0; h < own; h++) {
        int head = kv * share + split * own + h;
        for (u32 at = starts[tile]; at < starts[tile + 1]; at++) {
            u32 entry = list[at];
            int other = (entry & 0x7fffffff) * ROWS;
            __syncthreads();
            fetch(queries, rows + head * DIM, pitch, other, tokens);
            fetch(flows, grads + head * DIM, grad_pitch, other, tokens);
            commit();
            if (threadIdx.x < ROWS) {
                int row = min(other + (int)threadIdx.x, tokens - 1);
                logs[threadIdx.x] = log_sums[(size_t)head * tokens + row];
                deltas[threadIdx.x] = delta[(size_t)head * tokens + row];
            }
            arrived<0>();
            __syncthreads();
#pragma unroll
            for (int slice = 0; slice < ROWS; slice += SLICE) {
                float scores[SLICE / 8][4], flow[SLICE / 8][4];
#pragma unroll
                for (int i = 0; i < SLICE / 8; i++)
                    for (int j = 0; j < 4; j++) scores[i][j] = flow[i][j] = 0.0f;
#pragma unroll
                for (int d = 0; d < PAD; d += 16) {
                    u32 a[4], v[4];
                    left(a, keys, warp * 16, d);
                    left(v, values, warp * 16, d);
#pragma unroll
                    for (int n = 0; n < SLICE / 16; n++) {
                        u32 b[4];
                        right(b, queries, slice + n * 16, d);
                        mma(scores[2 * n], a, b[0], b[1]);
                        mma(scores[2 * n + 1], a, b[2], b[3]);
                        right(b, flows, slice + n * 16, d);
                        mma(flow[2 * n], v, b[0], b[1]);
                        mma(flow[2 * n + 1], v, b[2], b[3]);
                    }
                }
                int column = slice + (lane & 3) * 2;
#pragma unroll
                for (int n = 0; n < SLICE / 8; n++)
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        int q = column + n * 8 + (j & 1);
                        float chance = power2(scores[n][j] * scale - logs[q]);
                        int k = key + (j >> 1) * 8;
                        if (!(entry >> 31) && !(k < tokens && sees(sight, other + q, k))) chance = 0.0f;
                        scores[n][j] = chance;
                        flow[n][j] = chance * (flow[n][j] - deltas[q]);
                    }
#pragma unroll
                for (int k = 0; k < SLICE / 16; k++) {
                    u32 p[4], s[4];
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        p[i] = pair(scores[2 * k + (i >> 1)][2 * (i & 1)], scores[2 * k + (i >> 1)][2 * (i & 1) + 1]);
                        s[i] = pair(flow[2 * k + (i >> 1)][2 * (i & 1)], flow[2 * k + (i >> 1)][2 * (i & 1) + 1]);
                    }
#pragma unroll
                    for (int n = 0; n < PAD / 16; n++) {
                        u32 b[4];
                        right_turned(b, flows, slice + k * 16, n * 16);
                        mma(value_sums[2 * n], p, b[0], b[1]);
                        mma(value_sums[2 * n + 1], p, b[2], b[3]);
                        right_turned(b, queries, slice + k * 16, n * 16);
                        mma(key_sums[2 * n], s, b[0], b[1]);
                        mma(key_sums[2 * n + 1], s, b[2], b[3]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = key + 8 * half;
        if (row >= tokens) continue;
        float *to = out + ((size_t)split * tokens + row) * 2 * kv_heads * DIM + kv * DIM + (lane & 3) * 2;
#pragma unroll
        for (int i = 0; i < PAD / 8; i++) {
            if (i * 8 >= DIM) continue;
            *(float2 *)(to + i * 8) = make_float2(key_sums[i][2 * half] * plain_scale, key_sums[i][2 * half + 1] * plain_scale);
            *(float2 *)(to + kv_heads * DIM + i * 8) = make_float2(value_sums[i][2 * half], value_sums[i][2 * half + 1]);
        }
    }
}
