// Tiles of 64 rows in shared memory and the tensor-core products on them.
// DIM is the width of a head, PAD the same rounded up to 16; what is beyond DIM is zero.

#define ROWS 64
#define LINE (PAD + 8)
#define TILE (ROWS * LINE)

DEVICE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

DEVICE void mma(float *c, const u32 *a, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

DEVICE void load4(u32 *r, const u16 *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

DEVICE void load4_turned(u32 *r, const u16 *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

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
        int bytes = there ? 16 : 0;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                         shared_address(tile + row * LINE + column)),
                     "l"(source), "r"(bytes));
    }
}

DEVICE void commit() { asm volatile("cp.async.commit_group;"); }
template <int LEFT> DEVICE void arrived() { asm volatile("cp.async.wait_group %0;" ::"n"(LEFT)); }

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
