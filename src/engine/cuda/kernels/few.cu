// Products of a step's few tokens, 8 at most, with NF4 as it is stored. A block of 8 warps makes 16 rows of the result;
// its warps share out the depths in blocks of 64, which have one magnitude a row. Depths of a block are taken in an
// order of their own, the same for both operands: lane t of a row takes 16 that follow each other.
// What is added up is code times token, in f32; the magnitude comes after.

#define WARPS 8
#define MOST 8
// Blocks of depths that a lane has under way.
#define AHEAD 4

DEVICE void mma_few(float *c, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// As in weights.cu.
struct Part {
    const u8 *codes;
    const u8 *magnitudes;
    const float *nested;
    u16 *out;
    float offset;
    u32 count;
    u32 inputs;
    u32 pitch;
    u32 first_block;
    u32 unused;
};

__constant__ u32 CODE[16] = {
    0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0, 0xbe91a24d, 0xbe3d353f, 0xbdba7871, 0x00000000,
    0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a, 0x3ee1a4b8, 0x3f1007ab, 0x3f3913b3, 0x3f800000};

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

// Codes of 64 depths of 16 rows: for two rows 8 bytes a lane, and their magnitudes.
struct Codes {
    uint2 upper, lower;
    float upper_magnitude, lower_magnitude;
};

DEVICE float magnitude(const Part &part, const float *map, u32 block) {
    float scaled = __fmul_rn(map[part.magnitudes[block]], part.nested[block / 256]);
    return __fadd_rn(scaled, part.offset);
}

// `first` is the first block of the upper row; the lower is 8 rows on.
DEVICE Codes codes_of(const Part &part, const float *map, u32 first, u32 row_blocks, u32 block) {
    Codes c;
    u32 upper = first + block, lower = upper + 8 * row_blocks;
    int t = threadIdx.x & 3;
    c.upper = *(const uint2 *)(part.codes + (size_t)upper * 32 + t * 8);
    c.lower = *(const uint2 *)(part.codes + (size_t)lower * 32 + t * 8);
    c.upper_magnitude = magnitude(part, map, upper);
    c.lower_magnitude = magnitude(part, map, lower);
    return c;
}

// Two values of a byte: the even one in its high half comes first.
DEVICE u32 two(const u32 *table, u32 codes, int byte) {
    u32 first = table[(codes >> (8 * byte + 4)) & 15], second = table[16 + ((codes >> (8 * byte)) & 15)];
    return first | second;
}

DEVICE void add_codes(float *sums, const Codes &c, const u32 *table, const uint4 *b) {
    float made[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_few(made, two(table, c.upper.x, 0), two(table, c.lower.x, 0), two(table, c.upper.x, 1), two(table, c.lower.x, 1), b[0].x, b[0].y);
    mma_few(made, two(table, c.upper.x, 2), two(table, c.lower.x, 2), two(table, c.upper.x, 3), two(table, c.lower.x, 3), b[0].z, b[0].w);
    mma_few(made, two(table, c.upper.y, 0), two(table, c.lower.y, 0), two(table, c.upper.y, 1), two(table, c.lower.y, 1), b[1].x, b[1].y);
    mma_few(made, two(table, c.upper.y, 2), two(table, c.lower.y, 2), two(table, c.upper.y, 3), two(table, c.lower.y, 3), b[1].z, b[1].w);
    sums[0] += made[0] * c.upper_magnitude;
    sums[1] += made[1] * c.upper_magnitude;
    sums[2] += made[2] * c.lower_magnitude;
    sums[3] += made[3] * c.lower_magnitude;
}

extern __shared__ __align__(16) u16 normed[];

// Rows of `x` normalized into shared memory, `width + 8` apart; all of them by all warps.
DEVICE void normalize(u16 *to, const u16 *x, int pitch, const float *weight, int width, int tokens, float epsilon) {
    __shared__ float squares[MOST][WARPS];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int each = tokens == 1 ? 8 : tokens == 2 ? 4 : tokens <= 4 ? 2 : 1;
    int token = warp / each, piece = warp % each;
    bool there = token < tokens;
    const u16 *from = x + (size_t)token * pitch;
    float sum = 0.0f;
    if (there)
        for (int i = (piece * 32 + lane) * 8; i < width; i += each * 256) {
            Eight e = load8(from + i);
#pragma unroll
            for (int j = 0; j < 8; j++) sum += e.v[j] * e.v[j];
        }
    sum = warp_sum(sum);
    if (lane == 0 && there) squares[token][piece] = sum;
    __syncthreads();
    if (there) {
        float all = 0.0f;
        for (int i = 0; i < each; i++) all += squares[token][i];
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

// PLAIN: `out` is the product. ADDED: the product is added to it. GATED: rows of gate and of up give one.
// With `norm`, x is normalized before.
template <int KIND>
DEVICE void few(const Part *parts, int count, const float *map, const u16 *x, int x_pitch, const float *norm,
                float epsilon, u16 *out, int out_pitch, int tokens, Tails tails, int u_pitch, int gelu) {
    __shared__ u32 table[32];
    __shared__ float made[KIND == GATED ? 2 : 1][WARPS][128];
    if (threadIdx.x < 32) {
        u32 code = narrow(__uint_as_float(CODE[threadIdx.x & 15]));
        table[threadIdx.x] = threadIdx.x < 16 ? code : code << 16;
    }
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    int row = blockIdx.x * 16, inside = row;
    if (KIND != GATED)
        while (count > 1 && inside >= (int)(parts->count / parts->inputs)) {
            inside -= parts->count / parts->inputs;
            parts++;
            count--;
        }
    const Part part = parts[0];
    const Part other = parts[KIND == GATED ? 1 : 0];
    int inputs = part.inputs;
    u32 blocks = inputs / 64, first = (inside + g) * blocks;
    Codes upper[AHEAD], lower[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
        u32 block = min(warp + i * WARPS, blocks - 1);
        upper[i] = codes_of(part, map, first, blocks, block);
        if (KIND == GATED) lower[i] = codes_of(other, map, first, blocks, block);
    }
    if (norm) normalize(normed, x, x_pitch, norm, inputs, tokens, epsilon);
    else __syncthreads();
    const u16 *from = norm ? normed + g * (inputs + 8) : x + (size_t)g * x_pitch;
    bool there = g < tokens;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f}, others[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (u32 start = warp; start < blocks; start += WARPS * AHEAD) {
        uint4 b[AHEAD][2];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            u32 block = start + i * WARPS;
            bool some = there && block < blocks;
            b[i][0] = b[i][1] = make_uint4(0, 0, 0, 0);
            if (some) {
                const uint4 *at = (const uint4 *)(from + block * 64 + t * 16);
                b[i][0] = at[0];
                b[i][1] = at[1];
            }
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (start + i * WARPS >= blocks) break;
            add_codes(sums, upper[i], table, b[i]);
            if (KIND == GATED) add_codes(others, lower[i], table, b[i]);
            u32 next = start + (i + AHEAD) * WARPS;
            if (next < blocks) {
                upper[i] = codes_of(part, map, first, blocks, next);
                if (KIND == GATED) lower[i] = codes_of(other, map, first, blocks, next);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int at = (t * 2 + (i & 1)) * 16 + g + (i >> 1) * 8;
        made[0][warp][at] = sums[i];
        if (KIND == GATED) made[KIND == GATED ? 1 : 0][warp][at] = others[i];
    }
    __syncthreads();
    int token = threadIdx.x >> 4, r = row + (threadIdx.x & 15);
    if (threadIdx.x >= 128 || token >= tokens) return;
    float sum = 0.0f, second = 0.0f;
    for (int w = 0; w < WARPS; w++) {
        sum += made[0][w][threadIdx.x];
        if (KIND == GATED) second += made[KIND == GATED ? 1 : 0][w][threadIdx.x];
    }
    if (tails.count_rank) {
        sum += tail_of(tails, u_pitch, token, r);
        if (KIND == GATED) second += tail_of(tails, u_pitch, token, r + part.count / inputs);
    }
    u16 *to = out + (size_t)token * out_pitch + r;
    if (KIND == GATED) sum = activated(rounded(sum), gelu) * rounded(second);
    if (KIND == ADDED) sum = rounded(sum) + wide(*to);
    *to = narrow(sum);
}

#define FEW(NAME, KIND)                                                                                             \
    KERNEL NAME(const Part *parts, int count, const float *map, const u16 *x, int x_pitch, const float *norm,       \
                float epsilon, u16 *out, int out_pitch, int tokens, Tails tails, int u_pitch, int gelu) {           \
        few<KIND>(parts, count, map, x, x_pitch, norm, epsilon, out, out_pitch, tokens, tails, u_pitch, gelu);      \
    }
FEW(few_plain, PLAIN)
FEW(few_added, ADDED)
FEW(few_gated, GATED)

// Logits of few tokens after the last norm: a table in bf16, 16 rows a warp.
KERNEL few_head(const u16 *table, const u16 *x, const float *norm, int width, float epsilon, float *logits, int pitch,
                int rows, int tokens) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    normalize(normed, x, width, norm, width, tokens, epsilon);
    int row = (blockIdx.x * WARPS + warp) * 16;
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
