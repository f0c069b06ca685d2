// Tiles of 64 rows in shared memory and their operands of tensor-core products.
// DIM is the width of a head, PAD the same rounded up to 16; what is beyond DIM is zero.

#define ROWS 64
#define LINE (PAD + 8)
#define TILE (ROWS * LINE)

// 16 rows by 16 depths of a left operand stored by rows.
DEVICE void left(u32 *r, const u16 *tile, int row, int depth) {
    int lane = threadIdx.x & 31;
    load4(r, tile + (row + (lane & 15)) * LINE + depth + (lane >> 4) * 8);
}

// 16 columns by 16 depths of a right operand whose columns are the tile's rows: r0, r1 are the first 8
// columns, r2, r3 the others.
DEVICE void right(u32 *r, const u16 *tile, int column, int depth) {
    int lane = threadIdx.x & 31;
    load4(r, tile + (column + (lane & 7) + ((lane >> 4) << 3)) * LINE + depth + ((lane >> 3) & 1) * 8);
}

// The same where the depths are the tile's rows.
DEVICE void right_turned(u32 *r, const u16 *tile, int depth, int column) {
    int lane = threadIdx.x & 31;
    load4_turned(r, tile + (depth + (lane & 7) + ((lane >> 3) & 1) * 8) * LINE + column + (lane >> 4) * 8);
}

// Begins to copy 64 rows from `first` on; rows from `tokens` on and columns from DIM on become zero.
DEVICE void fetch(u16 *tile, const u16 *from, int pitch, int first, int tokens) {
    for (int i = threadIdx.x; i < ROWS * (PAD / 8); i += 128) {
        int row = i / (PAD / 8), column = (i % (PAD / 8)) * 8;
        bool there = first + row < tokens && column < DIM;
        const u16 *source = there ? from + (size_t)(first + row) * pitch + column : from;
        fetch16(tile + row * LINE + column, source, there ? 16 : 0);
    }
}

DEVICE float power2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// What a token sees: tokens not after it, up to the last that may see them, and not beyond the window.
struct Sight {
    const u32 *positions;
    // For each token, one past the last token that sees it.
    const u32 *ends;
    int tokens;
    int window;
};

DEVICE bool sees(const Sight &s, int query, int key) {
    return key <= query && query < s.tokens && query < (int)s.ends[key] &&
           (int)(s.positions[query] - s.positions[key]) < s.window;
}
