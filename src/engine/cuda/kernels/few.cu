// Products of a step's few tokens, 8 at most, with NF4 as it is stored. A unit of work is 16 rows of the result by 64
// depths, which have one magnitude a row. A group of warps makes 16 rows at a time, one unit or more a warp; depths of a
// unit are taken in an order of their own, the same for both operands: lane t of a row takes 16 that follow each other.
// What is added up is code times token, in f32; the magnitude comes after.

#define MOST 8
// Units of work that a warp has under way.
#define AHEAD 3
// Tiles of a group whose sums wait to be added up.
#define WAITING 3
// Threads of a block, at most.
#define THREADS 768
// Bytes of the table of pairs of codes: each of 256 pairs once for every lane, so that no two lanes ask one bank.
#define TABLE (256 * 32 * 4)

DEVICE void mma_few(float *c, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// What the adapter adds to a projection: `outputs` rows of B from value `b` on, by u from `column` on.
struct Tail {
    u32 output;
    u32 outputs;
    u32 b;
    u32 column;
};

struct Tails {
    const Tail *tails;
    const float *values;
    const u16 *u;
    u32 count_rank;
    float scale;
};

// A unit's codes: 8 bytes of two rows a lane; and the parts of one row's magnitude, of the upper for even lanes and of the
// lower for odd ones.
struct Unit {
    uint2 upper, lower;
    float nested;
    u32 magnitude;
};

// Two values of a byte, out of the lane's own copy of the table.
template <int BYTE> DEVICE u32 two(const char *table, u32 codes, u32 lane4) {
    u32 at = BYTE == 0 ? codes << 7 : codes >> (8 * BYTE - 7);
    return *(const u32 *)(table + ((at & 0x7f80u) | lane4));
}

DEVICE void add_unit(float *sums, const Unit &unit, const char *table, const float *map, float offset, const uint4 *b) {
    u32 lane4 = (threadIdx.x & 31) * 4;
    float magnitude = __fadd_rn(__fmul_rn(map[unit.magnitude], unit.nested), offset);
    int row = threadIdx.x & 28;
    float upper = __shfl_sync(0xffffffffu, magnitude, row), lower = __shfl_sync(0xffffffffu, magnitude, row + 1);
    float made[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    uint2 u = unit.upper, l = unit.lower;
    mma_few(made, two<0>(table, u.x, lane4), two<0>(table, l.x, lane4), two<1>(table, u.x, lane4), two<1>(table, l.x, lane4), b[0].x, b[0].y);
    mma_few(made, two<2>(table, u.x, lane4), two<2>(table, l.x, lane4), two<3>(table, u.x, lane4), two<3>(table, l.x, lane4), b[0].z, b[0].w);
    mma_few(made, two<0>(table, u.y, lane4), two<0>(table, l.y, lane4), two<1>(table, u.y, lane4), two<1>(table, l.y, lane4), b[1].x, b[1].y);
    mma_few(made, two<2>(table, u.y, lane4), two<2>(table, l.y, lane4), two<3>(table, u.y, lane4), two<3>(table, l.y, lane4), b[1].z, b[1].w);
    sums[0] += made[0] * upper;
    sums[1] += made[1] * upper;
    sums[2] += made[2] * lower;
    sums[3] += made[3] * lower;
}

extern __shared__ __align__(16) char shared[];

// Rows of `x` normalized into shared memory, `width + 8` apart, by all warps.
DEVICE void normalize(u16 *to, const u16 *x, int pitch, const float *weight, int width, int tokens, float epsilon) {
    __shared__ float squares[MOST][32];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    // Warps a token; where there are fewer warps than tokens, each takes several.
    int each = max(warps / tokens, 1), piece = warp % each;
    for (int token = warp / each; token < tokens; token += max(warps / each, 1)) {
        const u16 *from = x + (size_t)token * pitch;
        float sum = 0.0f;
        for (int i = (piece * 32 + lane) * 8; i < width; i += each * 256) {
            Eight e = load8(from + i);
#pragma unroll
            for (int j = 0; j < 8; j++) sum += e.v[j] * e.v[j];
        }
        sum = warp_sum(sum);
        if (lane == 0) squares[token][piece] = sum;
    }
    __syncthreads();
    for (int token = warp / each; token < tokens; token += max(warps / each, 1)) {
        const u16 *from = x + (size_t)token * pitch;
        float all = warp_sum(lane < each ? squares[token][lane] : 0.0f);
        float inverse = rsqrtf(all / width + epsilon);
        for (int i = (piece * 32 + lane) * 8; i < width; i += each * 256) {
            Eight e = load8(from + i), w = load8(weight + i);
#pragma unroll
            for (int j = 0; j < 8; j++) e.v[j] = e.v[j] * inverse * w.v[j];
            store8(to + token * (width + 8) + i, e);
        }
    }
    __syncthreads();
}

// What the adapter adds to one output of one token.
DEVICE float tail_of(const Tails &tails, int u_pitch, int token, int row) {
    int rank = tails.count_rank & 0xffff, count = tails.count_rank >> 16;
    for (int i = 0; i < count; i++) {
        Tail tail = tails.tails[i];
        if (row < tail.output || row >= tail.output + tail.outputs) continue;
        const float *b = tails.values + tail.b + (size_t)(row - tail.output) * rank;
        const u16 *u = tails.u + (size_t)token * u_pitch + tail.column;
        float sum = 0.0f;
        for (int r = 0; r < rank; r++) sum += rounded(b[r] * tails.scale) * wide(u[r]);
        return sum;
    }
    return 0.0f;
}

#define PLAIN 0
#define ADDED 1
#define GATED 2

DEVICE float activated(float e, int gelu) {
    float t = gelu ? 1.595769f * e * (1.0f + 0.044715f * e * e) : e;
    return e / (1.0f + __expf(-t));
}

// PLAIN: `out` is the product. ADDED: the product is added to it. GATED: 8 rows of gate and 8 of up give 8.
// With `norm`, x is normalized before. A block has `groups` groups of warps, each of which makes a tile of 16 rows, or with
// GATED one after the other. Shared memory: the table, the sums of each warp, and x where it is normalized.
template <int KIND>
DEVICE void few(const Part *parts, int count, const float *map, const u16 *x, int x_pitch, const float *norm,
                float epsilon, u16 *out, int out_pitch, int tokens, Tails tails, int u_pitch, int gelu, int tiles, int groups) {
    __shared__ float magnitudes[256];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    int warps = blockDim.x >> 5, width = warps / groups, group = warp / width, member = warp % width;
    float *made = (float *)(shared + TABLE);
    u16 *normed = (u16 *)(shared + TABLE + (KIND == GATED ? WAITING : 1) * warps * 128 * 4);
    int row_blocks = parts->inputs / 64, each = (row_blocks + width - 1) / width;
    int first = blockIdx.x * groups + group, stride = gridDim.x * groups;
    // What is the same for all tiles of this group.
    int inside = first * 16;
    const Part *part = parts;
    if (KIND != GATED)
        while (count > 1 && inside >= (int)(part->count / part->inputs)) {
            inside -= part->count / part->inputs;
            part++;
            count--;
        }
    const Part *odd = KIND == GATED ? parts + 1 : part;
    const char *upper_codes = (const char *)part->codes + t * 8, *lower_codes = (const char *)odd->codes + t * 8;
    const u8 *kept = (t & 1 ? odd : part)->magnitudes;
    const float *nested = (t & 1 ? odd : part)->nested;
    float offset = (t & 1 ? odd : part)->offset;
    int lower = KIND == GATED ? 0 : 8 * row_blocks;
    // The unit that is fetched next: its block of the upper row.
    int fetched = first, fetched_block = member;
    auto fetch = [&](Unit &unit) {
        if (fetched >= tiles) {
            unit.magnitude = 0;
            return;
        }
        if (fetched_block < row_blocks) {
            int row = KIND == GATED ? fetched * 8 + g : inside + g;
            int at = row * row_blocks + fetched_block, own = at + (t & 1) * lower;
            unit.upper = __ldcs((const uint2 *)(upper_codes + (size_t)at * 32));
            unit.lower = __ldcs((const uint2 *)(lower_codes + (size_t)(at + lower) * 32));
            unit.magnitude = kept[own];
            unit.nested = nested[own / 256];
        }
        fetched_block += width;
        if (fetched_block >= each * width) {
            fetched_block = member;
            fetched += KIND == GATED ? stride : tiles;
        }
    };
    Unit units[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) fetch(units[i]);
    for (int pair = warp; pair < 256; pair += warps) {
        u32 one = narrow(__uint_as_float(CODE[pair >> 4])), two = narrow(__uint_as_float(CODE[pair & 15]));
        ((u32 *)shared)[pair * 32 + lane] = one | two << 16;
    }
    for (int i = threadIdx.x; i < 256; i += blockDim.x) magnitudes[i] = map[i];
    AFTER_ALL();
    NEXT_MAY();
    if (norm) normalize(normed, x, x_pitch, norm, row_blocks * 64, tokens, epsilon);
    else __syncthreads();
    const u16 *from = (norm ? normed + g * (row_blocks * 64 + 8) : x + (size_t)g * x_pitch) + t * 16;
    bool there = g < tokens;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    int rounds = KIND == GATED ? (tiles + stride - 1) / stride : 1, total = rounds * each;
    int block = member, waiting = 0, added = 0;
    for (int n = 0; n < total; n += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (n + i >= total) break;
            if (block < row_blocks) {
                uint4 b[2] = {make_uint4(0, 0, 0, 0), make_uint4(0, 0, 0, 0)};
                if (there) {
                    b[0] = ((const uint4 *)(from + block * 64))[0];
                    b[1] = ((const uint4 *)(from + block * 64))[1];
                }
                // What lies beyond the last tile is added up, but nobody takes it.
                add_unit(sums, units[i], shared, magnitudes, offset, b);
            }
            fetch(units[i]);
            block += width;
            if (block < each * width) continue;
            block = member;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                made[(waiting * warps + warp) * 128 + (t * 2 + (j & 1)) * 16 + g + (j >> 1) * 8] = sums[j];
                sums[j] = 0.0f;
            }
            waiting++;
            if (waiting < WAITING && n + i + 1 < total) continue;
            __syncthreads();
            // One thread an output: of a gated one the upper half's.
            constexpr int ROWS = KIND == GATED ? 8 : 16;
            for (int o = threadIdx.x; o < waiting * groups * tokens * ROWS; o += blockDim.x) {
                int r = o % ROWS, token = o / ROWS % tokens, place = o / (ROWS * tokens);
                int tile = (added + place / groups) * stride + blockIdx.x * groups + place % groups;
                if (tile >= tiles) continue;
                const float *from = made + (place / groups * warps + place % groups * width) * 128 + token * 16 + r;
                float sum = 0.0f, second = 0.0f;
#pragma unroll 8
                for (int w = 0; w < width; w++) {
                    sum += from[w * 128];
                    if (KIND == GATED) second += from[w * 128 + 8];
                }
                int row = tile * ROWS + r;
                if (tails.count_rank) {
                    sum += tail_of(tails, u_pitch, token, row);
                    if (KIND == GATED) second += tail_of(tails, u_pitch, token, row + tiles * 8);
                }
                u16 *to = out + (size_t)token * out_pitch + row;
                if (KIND == GATED) sum = activated(rounded(sum), gelu) * rounded(second);
                if (KIND == ADDED) sum = rounded(sum) + wide(*to);
                *to = narrow(sum);
            }
            added += waiting;
            waiting = 0;
            __syncthreads();
        }
    }
}

#define FEW(NAME, KIND)                                                                                             \
    KERNEL __launch_bounds__(THREADS) NAME(const Part *parts, int count, const float *map, const u16 *x, int x_pitch,  \
                                        const float *norm, float epsilon, u16 *out, int out_pitch, int tokens,      \
                                        Tails tails, int u_pitch, int gelu, int tiles, int groups) {                \
        few<KIND>(parts, count, map, x, x_pitch, norm, epsilon, out, out_pitch, tokens, tails, u_pitch, gelu,       \
                  tiles, groups);                                                                                   \
    }
FEW(few_plain, PLAIN)
FEW(few_added, ADDED)
FEW(few_gated, GATED)

// Logits of few tokens after the last norm: a table in bf16, 16 rows a warp.
KERNEL few_head(const u16 *table, const u16 *x, const float *norm, int width, float epsilon, float *logits, int pitch,
                int rows, int tokens) {
    u16 *normed = (u16 *)shared;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    AFTER_ALL();
    NEXT_MAY();
    normalize(normed, x, width, norm, width, tokens, epsilon);
    int row = (blockIdx.x * 8 + warp) * 16;
    if (row >= rows) return;
    const u16 *upper = table + (size_t)min(row + g, rows - 1) * width + t * 16;
    const u16 *lower = table + (size_t)min(row + g + 8, rows - 1) * width + t * 16;
    const u16 *from = normed + g * (width + 8) + t * 16;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 3
    for (int k = 0; k < width; k += 64) {
        uint4 a = *(const uint4 *)(upper + k), c = *(const uint4 *)(upper + k + 8);
        uint4 d = *(const uint4 *)(lower + k), e = *(const uint4 *)(lower + k + 8);
        uint4 b = make_uint4(0, 0, 0, 0), f = b;
        if (g < tokens) {
            b = *(const uint4 *)(from + k);
            f = *(const uint4 *)(from + k + 8);
        }
        mma_few(sums, a.x, d.x, a.y, d.y, b.x, b.y);
        mma_few(sums, a.z, d.z, a.w, d.w, b.z, b.w);
        mma_few(sums, c.x, e.x, c.y, e.y, f.x, f.y);
        mma_few(sums, c.z, e.z, c.w, e.w, f.z, f.w);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int token = t * 2 + (i & 1), r = row + g + (i >> 1) * 8;
        if (token < tokens && r < rows) logits[(size_t)token * pitch + r] = sums[i];
    }
}

// `u = x A^T` of tokens the adapter is on for, 0 for others; one block a column and 8 tokens, one warp a token.
// With `norm`, x is normalized before.
KERNEL side(const u16 *x, int pitch, const float *norm, int width, float epsilon, const float *a, u16 *u, int u_pitch,
            const u32 *on, int tokens) {
    int lane = threadIdx.x & 31, token = blockIdx.y * 8 + (threadIdx.x >> 5);
    if (token >= tokens) return;
    AFTER_ALL();
    NEXT_MAY();
    float sum = 0.0f, squares = 0.0f;
    if (on[token]) {
        const u16 *from = x + (size_t)token * pitch;
        a += (size_t)blockIdx.x * width;
        for (int i = lane * 8; i < width; i += 256) {
            Eight e = load8(from + i), c = load8(a + i);
            if (norm) {
                Eight w = load8(norm + i);
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    squares += e.v[j] * e.v[j];
                    e.v[j] *= w.v[j];
                }
            }
#pragma unroll
            for (int j = 0; j < 8; j++) sum += e.v[j] * c.v[j];
        }
        sum = warp_sum(sum);
        if (norm) sum *= rsqrtf(warp_sum(squares) / width + epsilon);
    }
    if (lane == 0) u[(size_t)token * u_pitch + blockIdx.x] = narrow(sum);
}
