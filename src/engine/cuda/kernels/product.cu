// Our own matrix products, for machines without cuBLASLt. `out` is in bf16, or with `adds` in f32 and added to.
//
// A warp works on a rectangle of the result; the warps of a team share what they copy into shared memory, some stages ahead
// of the work. Where the result is too small for all multiprocessors, teams of one warp share the depths instead, and their
// sums are added up in one order. Chunks of eight values lie where no two of those that are read at once share a bank.

#define DEPTH 32

// Where a chunk of a line lies: lines of `WIDTH` values, chunks of eight.
template <int WIDTH> DEVICE int spot(int line, int chunk) {
    int turn = WIDTH >= 64 ? line & 7 : line >> 1 & 3;
    return line * WIDTH + ((chunk ^ turn) << 3);
}

// Begins to copy DEPTH depths of `COUNT` rows; `TURNED`, the depths are the source's rows and the tile's lines. What lies
// beyond `rows` and `depths` becomes zero. Without `aligned`, chunks begin anywhere and are copied value by value.
template <int COUNT, bool TURNED, int THREADS>
DEVICE void bring(u16 *tile, const u16 *from, int pitch, int row, int rows, int depth, int depths, int thread,
                  bool aligned) {
    constexpr int LINES = TURNED ? DEPTH : COUNT, WIDTH = TURNED ? COUNT : DEPTH;
#pragma unroll
    for (int i = 0; i < LINES * WIDTH / 8 / THREADS; i++) {
        int at = i * THREADS + thread, line = at / (WIDTH / 8), chunk = at % (WIDTH / 8);
        int outer = (TURNED ? depth : row) + line, inner = (TURNED ? row : depth) + chunk * 8;
        int room = (TURNED ? rows : depths) - inner;
        int count = outer < (TURNED ? depths : rows) ? min(max(room, 0), 8) : 0;
        const u16 *source = count > 0 ? from + (size_t)outer * pitch + inner : from;
        u16 *to = tile + spot<WIDTH>(line, chunk);
        if (aligned) {
            fetch16(to, source, count * 2);
            continue;
        }
#pragma unroll
        for (int j = 0; j < 8; j++) to[j] = j < count ? source[j] : (u16)0;
    }
}

// 16 rows by 16 depths of a left operand.
template <int COUNT, bool TURNED> DEVICE void left_part(u32 *r, const u16 *tile, int row, int depth) {
    int lane = threadIdx.x & 31;
    if (TURNED) load4_turned(r, tile + spot<COUNT>(depth + (lane & 7) + (lane >> 4 << 3), (row >> 3) + (lane >> 3 & 1)));
    else load4(r, tile + spot<DEPTH>(row + (lane & 15), (depth >> 3) + (lane >> 4)));
}

// 16 columns by 16 depths of a right operand: r0, r1 are the first 8 columns, r2, r3 the others.
template <int COUNT, bool TURNED> DEVICE void right_part(u32 *r, const u16 *tile, int column, int depth) {
    int lane = threadIdx.x & 31;
    if (TURNED) load4_turned(r, tile + spot<COUNT>(depth + (lane & 15), (column >> 3) + (lane >> 4)));
    else load4(r, tile + spot<DEPTH>(column + (lane & 7) + (lane >> 4 << 3), (depth >> 3) + (lane >> 3 & 1)));
}

// What a block works on: warps of `TALL` by `WIDE` results, `DOWN` by `ACROSS` of them in a team; `STAGES` copies at once.
template <int TALL_, int WIDE_, int DOWN_, int ACROSS_, int TEAMS_, int STAGES_> struct Block {
    static constexpr int TALL = TALL_, WIDE = WIDE_, DOWN = DOWN_, ACROSS = ACROSS_, TEAMS = TEAMS_, STAGES = STAGES_;
    static constexpr int ROWS_AT_ONCE = TALL * DOWN, COLUMNS = WIDE * ACROSS, THREADS = 32 * DOWN * ACROSS;
    static constexpr int STAGE = (ROWS_AT_ONCE + COLUMNS) * DEPTH;
};

typedef Block<64, 64, 2, 2, 1, 4> Large;
typedef Block<32, 32, 2, 2, 1, 4> Middle;
typedef Block<32, 32, 1, 1, 4, 4> Thin;

template <class B, bool A_TURNED, bool B_TURNED>
DEVICE void multiply(const u16 *a, int a_pitch, const u16 *b, int b_pitch, void *out, int pitch, int m, int n, int k,
                     float scale, int adds, bool aligned) {
    extern __shared__ __align__(16) u16 shared[];
    constexpr int TEAM = B::DOWN * B::ACROSS;
    static_assert(B::TEAMS == 1 || TEAM == 1, "a team that shares depths with others is one warp");
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, team = warp / TEAM, thread = threadIdx.x % B::THREADS;
    u16 *tiles = shared + team * B::STAGES * B::STAGE;

    // Blocks that run at once share rows and columns: bands of eight, from top to bottom.
    int across = (n + B::COLUMNS - 1) / B::COLUMNS, down = (m + B::ROWS_AT_ONCE - 1) / B::ROWS_AT_ONCE;
    int band = blockIdx.x / (8 * across), within = blockIdx.x % (8 * across), height = min(down - band * 8, 8);
    int row0 = (band * 8 + within % height) * B::ROWS_AT_ONCE, column0 = within / height * B::COLUMNS;
    int row = warp % TEAM / B::ACROSS * B::TALL, column = warp % B::ACROSS * B::WIDE;

    int steps = ((k + DEPTH - 1) / DEPTH - team + B::TEAMS - 1) / B::TEAMS;
    auto begin = [&](int step) {
        if (step < steps) {
            u16 *to = tiles + step % B::STAGES * B::STAGE;
            int depth = (step * B::TEAMS + team) * DEPTH;
            bring<B::ROWS_AT_ONCE, A_TURNED, B::THREADS>(to, a, a_pitch, row0, m, depth, k, thread, aligned);
            bring<B::COLUMNS, B_TURNED, B::THREADS>(to + B::ROWS_AT_ONCE * DEPTH, b, b_pitch, column0, n, depth, k, thread,
                                                    aligned);
        }
        commit();
    };
    auto meet = [&]() {
        if (B::TEAMS == 1) __syncthreads();
        else __syncwarp();
    };

    float sums[B::TALL / 16][B::WIDE / 8][4] = {};
#pragma unroll
    for (int step = 0; step < B::STAGES - 1; step++) begin(step);
    for (int step = 0; step < steps; step++) {
        arrived<B::STAGES - 2>();
        meet();
        begin(step + B::STAGES - 1);
        const u16 *lefts = tiles + step % B::STAGES * B::STAGE, *rights = lefts + B::ROWS_AT_ONCE * DEPTH;
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += 16) {
            u32 l[B::TALL / 16][4], r[B::WIDE / 16][4];
#pragma unroll
            for (int i = 0; i < B::TALL / 16; i++)
                left_part<B::ROWS_AT_ONCE, A_TURNED>(l[i], lefts, row + i * 16, depth);
#pragma unroll
            for (int j = 0; j < B::WIDE / 16; j++)
                right_part<B::COLUMNS, B_TURNED>(r[j], rights, column + j * 16, depth);
#pragma unroll
            for (int i = 0; i < B::TALL / 16; i++)
#pragma unroll
                for (int j = 0; j < B::WIDE / 8; j++)
                    mma(sums[i][j], l[i], r[j / 2][j % 2 * 2], r[j / 2][j % 2 * 2 + 1]);
        }
    }
    arrived<0>();

    if (B::TEAMS > 1) {
        // The first team takes the sums of the others, one after the other.
        float *all = (float *)shared;
        constexpr int COUNT = B::TALL / 16 * (B::WIDE / 8) * 4;
        __syncthreads();
        if (team > 0)
#pragma unroll
            for (int i = 0; i < COUNT; i++) all[((team - 1) * COUNT + i) * 32 + lane] = (&sums[0][0][0])[i];
        __syncthreads();
        if (team > 0) return;
#pragma unroll
        for (int other = 0; other < B::TEAMS - 1; other++)
#pragma unroll
            for (int i = 0; i < COUNT; i++) (&sums[0][0][0])[i] += all[(other * COUNT + i) * 32 + lane];
    }
    bool pairs = (pitch & 1) == 0 && ((u64)out & 7) == 0;
#pragma unroll
    for (int i = 0; i < B::TALL / 16; i++)
#pragma unroll
        for (int j = 0; j < B::WIDE / 8; j++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int r = row0 + row + i * 16 + (lane >> 2) + half * 8;
                int c = column0 + column + j * 8 + (lane & 3) * 2;
                if (r >= m || c >= n) continue;
                size_t at = (size_t)r * pitch + c;
                float first = sums[i][j][half * 2] * scale, second = sums[i][j][half * 2 + 1] * scale;
                if (pairs && c + 1 < n) {
                    if (adds) {
                        float2 *to = (float2 *)((float *)out + at), old = *to;
                        *to = make_float2(old.x + first, old.y + second);
                    } else *(u32 *)((u16 *)out + at) = pair(first, second);
                    continue;
                }
                if (adds) ((float *)out)[at] += first;
                else ((u16 *)out)[at] = narrow(first);
                if (c + 1 >= n) continue;
                if (adds) ((float *)out)[at + 1] += second;
                else ((u16 *)out)[at + 1] = narrow(second);
            }
}

#define MULTIPLY(NAME, BLOCK, A, B, ALIGNED)                                                                       \
    KERNEL __launch_bounds__(128, 2) NAME(const u16 *a, int a_pitch, const u16 *b, int b_pitch, void *out, int pitch, \
                                          int m, int n, int k, float scale, int adds, int aligned) {               \
        multiply<BLOCK, A, B>(a, a_pitch, b, b_pitch, out, pitch, m, n, k, scale, adds, ALIGNED);                   \
    }

MULTIPLY(multiply_turned_large, Large, false, false, true)
MULTIPLY(multiply_plain_large, Large, false, true, true)
MULTIPLY(multiply_deep_large, Large, true, true, true)
MULTIPLY(multiply_turned_middle, Middle, false, false, true)
MULTIPLY(multiply_plain_middle, Middle, false, true, true)
MULTIPLY(multiply_deep_middle, Middle, true, true, true)
// Only these take what does not begin at multiples of 16 bytes.
MULTIPLY(multiply_turned_thin, Thin, false, false, aligned)
MULTIPLY(multiply_plain_thin, Thin, false, true, aligned)
MULTIPLY(multiply_deep_thin, Thin, true, true, aligned)
