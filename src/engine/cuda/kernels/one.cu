// One token further for each sequence: attention over what is kept, and the choice of the next token.
// DIM is the width of a head, PIECE the query heads that a block works on; they share a key head.

#define CHUNKS (DIM / 8)
#define SPOTS (256 / CHUNKS)
// Positions of a round.
#define SPAN 256
// Heads whose sums are added up at once: 24 KiB of them.
#define ROUND (768 / DIM < 1 ? 1 : 768 / DIM > PIECE ? PIECE : 768 / DIM)
// Blocks that the positions of a sequence are shared out among, at most.
#define SPLITS 16

DEVICE float power2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// A head by one warp: bias, norm where there is one, rotation where there is one; `put` gets place and value.
template <typename Put>
DEVICE void head_of(const u16 *from, const float *bias, const float *norm, const float *turn, float epsilon, Put put) {
    int lane = threadIdx.x & 31;
    constexpr int HALF = DIM / 2, LANES = (HALF + 31) / 32;
    float a[LANES], b[LANES], squares = 0.0f;
#pragma unroll
    for (int i = 0; i < LANES; i++) {
        int at = lane + 32 * i;
        a[i] = b[i] = 0.0f;
        if (at < HALF) {
            a[i] = wide(from[at]);
            b[i] = wide(from[at + HALF]);
            if (bias) {
                a[i] += bias[at];
                b[i] += bias[at + HALF];
            }
        }
        squares += a[i] * a[i] + b[i] * b[i];
    }
    float inverse = norm ? rsqrtf(warp_sum(squares) / DIM + epsilon) : 1.0f;
#pragma unroll
    for (int i = 0; i < LANES; i++) {
        int at = lane + 32 * i;
        if (at >= HALF) continue;
        if (norm) {
            a[i] *= inverse * norm[at];
            b[i] *= inverse * norm[at + HALF];
        }
        float c = turn ? turn[at] : 1.0f, s = turn ? turn[at + HALF] : 0.0f;
        put(at, a[i] * c - b[i] * s);
        put(at + HALF, b[i] * c + a[i] * s);
    }
}

// Rows of query, key and value as projected give what attention makes of them and of what is kept; key and value are
// kept at the row's position. Keys and values lie [slots, kv_heads, capacity, DIM]. The positions are shared out among
// `splits` blocks; the last to arrive adds up what they found, in their order.
KERNEL attend_one(const u16 *qkv, int pitch, u16 *mixed, int mixed_pitch, u16 *keys, u16 *values, const u32 *slots,
                  const u32 *positions, const float *bias, const float *query_norm, const float *key_norm,
                  const float *turns, float *found, u32 *arrived, int heads, int kv_heads, int capacity, int window,
                  int splits, float scale, float epsilon) {
    __shared__ float queries[PIECE][DIM], scores[PIECE][SPAN], results[PIECE][DIM];
    __shared__ float adding[32 % CHUNKS == 0 ? ROUND * 8 * DIM : 256 * 8];
    __shared__ float factors[PIECE], mosts[PIECE], totals[PIECE];
    __shared__ u32 is_last;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, row = blockIdx.y;
    int split = blockIdx.x % splits, piece = blockIdx.x / splits;
    int share = heads / kv_heads, kv = piece / (share / PIECE), head = piece * PIECE;
    AFTER_ALL();
    NEXT_MAY();
    int position = positions[row];
    int begin = max(0, position - window + 1), length = position + 1 - begin;
    int each = ((length + splits - 1) / splits + 31) / 32 * 32, used = (length + each - 1) / each;
    if (split >= used) return;
    int first = begin + split * each, last = min(first + each, position + 1);
    size_t place = ((size_t)slots[row] * kv_heads + kv) * capacity * DIM;
    keys += place;
    values += place;
    qkv += (size_t)row * pitch;
    const float *turn = turns + (size_t)position * DIM;
    for (int h = warp; h < PIECE + 2; h += 8) {
        // Key and value by the block that has the last position.
        if (h >= PIECE && split + 1 < used) break;
        bool is_key = h == PIECE, is_value = h > PIECE;
        int at = is_value ? heads + kv_heads + kv : is_key ? heads + kv : head + h;
        const float *norm = is_value ? nullptr : is_key ? key_norm : query_norm;
        u16 *kept = (is_value ? values : keys) + (size_t)position * DIM;
        head_of(qkv + at * DIM, bias ? bias + at * DIM : nullptr, norm, is_value ? nullptr : turn, epsilon,
                [&](int d, float value) {
                    if (h < PIECE) queries[h][d] = rounded(value) * scale;
                    else kept[d] = narrow(value);
                });
    }
    if (threadIdx.x < PIECE) {
        mosts[threadIdx.x] = -INFINITE;
        totals[threadIdx.x] = 0.0f;
    }
    __syncthreads();
    float sums[PIECE][8];
#pragma unroll
    for (int h = 0; h < PIECE; h++)
        for (int j = 0; j < 8; j++) sums[h][j] = 0.0f;
    int chunk = threadIdx.x % CHUNKS, spot = threadIdx.x / CHUNKS;
    for (int base = first; base < last; base += SPAN) {
        int count = min(SPAN, last - base);
        // Eight lanes a position.
        int part = threadIdx.x & 7;
        for (int p = threadIdx.x >> 3; p < (count + 31) / 32 * 32; p += 32) {
            float s[PIECE];
#pragma unroll
            for (int h = 0; h < PIECE; h++) s[h] = 0.0f;
            if (p < count)
                for (int c = part; c < CHUNKS; c += 8) {
                    Eight k = load8(keys + (size_t)(base + p) * DIM + c * 8);
#pragma unroll
                    for (int h = 0; h < PIECE; h++) {
                        Eight q = load8(&queries[h][c * 8]);
#pragma unroll
                        for (int j = 0; j < 8; j++) s[h] += q.v[j] * k.v[j];
                    }
                }
#pragma unroll
            for (int h = 0; h < PIECE; h++) {
#pragma unroll
                for (int step = 4; step > 0; step >>= 1) s[h] += __shfl_xor_sync(0xffffffffu, s[h], step);
                if (part == 0 && p < count) scores[h][p] = s[h];
            }
        }
        __syncthreads();
        for (int h = warp; h < PIECE; h += 8) {
            float most = mosts[h], sum = 0.0f;
            for (int p = lane; p < count; p += 32) most = fmaxf(most, scores[h][p]);
            most = warp_most(most);
            for (int p = lane; p < count; p += 32) {
                float chance = power2(scores[h][p] - most);
                scores[h][p] = chance;
                sum += chance;
            }
            sum = warp_sum(sum);
            __syncwarp();
            if (lane == 0) {
                float factor = power2(mosts[h] - most);
                factors[h] = factor;
                totals[h] = totals[h] * factor + sum;
                mosts[h] = most;
            }
        }
        __syncthreads();
        if (spot < SPOTS) {
#pragma unroll
            for (int h = 0; h < PIECE; h++)
#pragma unroll
                for (int j = 0; j < 8; j++) sums[h][j] *= factors[h];
#pragma unroll 4
            for (int p = spot; p < count; p += SPOTS) {
                Eight v = load8(values + (size_t)(base + p) * DIM + chunk * 8);
#pragma unroll
                for (int h = 0; h < PIECE; h++) {
                    float chance = scores[h][p];
#pragma unroll
                    for (int j = 0; j < 8; j++) sums[h][j] += chance * v.v[j];
                }
            }
        }
        __syncthreads();
    }
    // The sums of all spots: within a warp where lanes of one chunk are there, then among the warps.
    if constexpr (32 % CHUNKS == 0) {
#pragma unroll
        for (int h = 0; h < PIECE; h++) {
#pragma unroll
            for (int j = 0; j < 8; j++) {
#pragma unroll
                for (int step = CHUNKS; step < 32; step <<= 1) sums[h][j] += __shfl_xor_sync(0xffffffffu, sums[h][j], step);
                if (lane < CHUNKS) adding[(h % ROUND * 8 + warp) * DIM + chunk * 8 + j] = sums[h][j];
            }
            if (h % ROUND + 1 < ROUND && h + 1 < PIECE) continue;
            __syncthreads();
            int first_head = h / ROUND * ROUND;
            for (int i = threadIdx.x; i < (h + 1 - first_head) * DIM; i += 256) {
                float sum = 0.0f;
#pragma unroll
                for (int w = 0; w < 8; w++) sum += adding[(i / DIM * 8 + w) * DIM + i % DIM];
                results[first_head + i / DIM][i % DIM] = sum;
            }
            __syncthreads();
        }
    } else {
#pragma unroll
        for (int h = 0; h < PIECE; h++) {
            if (spot < SPOTS)
#pragma unroll
                for (int j = 0; j < 8; j++) adding[spot * DIM + chunk * 8 + j] = sums[h][j];
            __syncthreads();
            if (threadIdx.x < DIM) {
                float sum = 0.0f;
#pragma unroll 8
                for (int s = 0; s < SPOTS; s++) sum += adding[s * DIM + threadIdx.x];
                results[h][threadIdx.x] = sum;
            }
            __syncthreads();
        }
    }
    u16 *to = mixed + (size_t)row * mixed_pitch + head * DIM;
    if (used == 1) {
        for (int i = threadIdx.x; i < PIECE * DIM; i += 256) to[i] = narrow(results[i / DIM][i % DIM] / totals[i / DIM]);
        return;
    }
    // What each split of a head found: DIM sums, then the largest score and the total.
    int pieces = gridDim.x / splits;
    float *all = found + ((size_t)row * pieces + piece) * splits * PIECE * (DIM + 2);
    float *own = all + (size_t)split * PIECE * (DIM + 2);
    for (int i = threadIdx.x; i < PIECE * DIM; i += 256) own[i / DIM * (DIM + 2) + i % DIM] = results[i / DIM][i % DIM];
    if (threadIdx.x < PIECE) {
        own[threadIdx.x * (DIM + 2) + DIM] = mosts[threadIdx.x];
        own[threadIdx.x * (DIM + 2) + DIM + 1] = totals[threadIdx.x];
    }
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) is_last = atomicAdd(arrived + row * pieces + piece, 1) == used - 1;
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    // Weights of the splits, then their sums.
    for (int h = warp; h < PIECE; h += 8) {
        const float *one = all + (min(lane, used - 1) * PIECE + h) * (DIM + 2) + DIM;
        float own_most = __ldcg(one), own_total = __ldcg(one + 1);
        float most = warp_most(own_most), weight = lane < used ? power2(own_most - most) : 0.0f;
        float total = warp_sum(weight * own_total);
        if (lane < SPLITS) scores[h][lane] = weight / total;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < PIECE * DIM; i += 256) {
        int h = i / DIM, d = i % DIM;
        float sum = 0.0f;
#pragma unroll
        for (int s = 0; s < SPLITS; s++)
            if (s < used) sum += scores[h][s] * __ldcg(all + (s * PIECE + h) * (DIM + 2) + d);
        to[i] = narrow(sum);
    }
    if (threadIdx.x == 0) arrived[row * pieces + piece] = 0;
}

// Rotated keys and values of read prompts to where they are kept. Entries: token, slot, position.
KERNEL keep(const u16 *rows, int pitch, const u32 *entries, u16 *keys, u16 *values, int heads, int kv_heads, int capacity) {
    const u32 *entry = entries + blockIdx.x * 3;
    const u16 *from = rows + (size_t)entry[0] * pitch + heads * DIM;
    size_t slot = entry[1], position = entry[2];
    int width = kv_heads * DIM;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        size_t to = ((slot * kv_heads + i / DIM) * capacity + position) * DIM + i % DIM;
        *(uint4 *)(keys + to) = *(const uint4 *)(from + i);
        *(uint4 *)(values + to) = *(const uint4 *)(from + width + i);
    }
}

struct Best {
    float most;
    u32 place;
};

DEVICE Best better(Best a, Best b) { return b.most > a.most || (b.most == a.most && b.place < a.place) ? b : a; }

DEVICE Best best_of_warp(Best best) {
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) {
        Best other = {__shfl_xor_sync(0xffffffffu, best.most, step), __shfl_xor_sync(0xffffffffu, best.place, step)};
        best = better(best, other);
    }
    return best;
}

// The first of the largest logits of each row: the row's next token. It goes into `made` too, a line a step, and with
// `positions` the row goes one further, `last` at most. A row is shared out among the blocks, 32 at most; the last to
// arrive compares what they found.
KERNEL likeliest(const float *logits, int pitch, int vocab, u32 *ids, u32 *positions, u32 last, u32 *steps, u32 *made,
                 int made_pitch, Best *found, u32 *arrived) {
    __shared__ Best bests[32];
    __shared__ u32 is_last;
    const float *row = logits + (size_t)blockIdx.y * pitch;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    int each = (vocab + gridDim.x - 1) / gridDim.x, first = blockIdx.x * each, end = min(first + each, vocab);
    AFTER_ALL();
    NEXT_MAY();
    Best best = {-INFINITE, 0xffffffffu};
#pragma unroll 8
    for (int i = first + threadIdx.x; i < end; i += blockDim.x) {
        float value = row[i];
        if (value > best.most || best.place == 0xffffffffu) best = {value, (u32)i};
    }
    best = best_of_warp(best);
    if (lane == 0) bests[warp] = best;
    __syncthreads();
    if (warp == 0) {
        Best none = {-INFINITE, 0xffffffffu};
        best = best_of_warp(lane < warps ? bests[lane] : none);
        if (lane == 0) {
            found[blockIdx.y * gridDim.x + blockIdx.x] = best;
            __threadfence();
            is_last = atomicAdd(arrived + blockIdx.y, 1) == gridDim.x - 1;
        }
        __syncwarp();
        if (!is_last) return;
        __threadfence();
        const float *at = (const float *)(found + blockIdx.y * gridDim.x + lane);
        if (lane < gridDim.x) best = {__ldcg(at), __float_as_uint(__ldcg(at + 1))};
        else best = none;
        best = best_of_warp(best);
        if (lane) return;
        arrived[blockIdx.y] = 0;
        ids[blockIdx.y] = best.place;
        if (!positions) return;
        positions[blockIdx.y] = min(positions[blockIdx.y] + 1, last);
        made[(size_t)steps[blockIdx.y] * made_pitch + blockIdx.y] = best.place;
        steps[blockIdx.y]++;
    }
}
