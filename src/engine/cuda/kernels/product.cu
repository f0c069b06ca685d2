// Our own matrix product for machines without cuBLASLt: 64 x 64 tiles, 4 warps of 32 x 32, tensor cores.
// `out` is in bf16, or with `adds` in f32 and added to.

#define EDGE 64
#define DEEP 32
#define DEEP_LINE (DEEP + 8)

DEVICE void mma_step(float *c, const u32 *a, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// 64 rows by DEEP depths into shared memory, rows first; `turned`, the depths are the source's rows.
template <bool TURNED> DEVICE void fill(u16 *tile, const u16 *from, int pitch, int row, int rows, int depth, int depths) {
    for (int i = threadIdx.x; i < EDGE * DEEP; i += 128) {
        int r = TURNED ? i % EDGE : i / DEEP, d = TURNED ? i / EDGE : i % DEEP;
        bool there = row + r < rows && depth + d < depths;
        size_t at = TURNED ? (size_t)(depth + d) * pitch + row + r : (size_t)(row + r) * pitch + depth + d;
        tile[r * DEEP_LINE + d] = there ? from[at] : (u16)0;
    }
}

template <bool A_TURNED, bool B_TURNED>
DEVICE void multiply(const u16 *a, int a_pitch, const u16 *b, int b_pitch, void *out, int pitch, int m, int n, int k,
                     float scale, int adds) {
    __shared__ __align__(16) u16 left_tile[EDGE * DEEP_LINE], right_tile[EDGE * DEEP_LINE];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int row0 = blockIdx.y * EDGE, column0 = blockIdx.x * EDGE;
    int row = (warp >> 1) * 32, column = (warp & 1) * 32;
    float sums[2][4][4] = {};
    for (int depth = 0; depth < k; depth += DEEP) {
        __syncthreads();
        fill<A_TURNED>(left_tile, a, a_pitch, row0, m, depth, k);
        fill<B_TURNED>(right_tile, b, b_pitch, column0, n, depth, k);
        __syncthreads();
#pragma unroll
        for (int d = 0; d < DEEP; d += 16) {
            u32 l[2][4];
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    l[i][j] = *(const u32 *)(left_tile + (row + i * 16 + (lane >> 2) + (j & 1) * 8) * DEEP_LINE + d +
                                             (lane & 3) * 2 + (j >> 1) * 8);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const u16 *at = right_tile + (column + j * 8 + (lane >> 2)) * DEEP_LINE + d + (lane & 3) * 2;
                u32 b0 = *(const u32 *)at, b1 = *(const u32 *)(at + 8);
                mma_step(sums[0][j], l[0], b0, b1);
                mma_step(sums[1][j], l[1], b0, b1);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int r = row0 + row + i * 16 + (lane >> 2) + (c >> 1) * 8;
                int col = column0 + column + j * 8 + (lane & 3) * 2 + (c & 1);
                if (r >= m || col >= n) continue;
                size_t at = (size_t)r * pitch + col;
                float value = sums[i][j][c] * scale;
                if (adds) ((float *)out)[at] += value;
                else ((u16 *)out)[at] = narrow(value);
            }
}

#define MULTIPLY(NAME, A, B)                                                                                       \
    KERNEL NAME(const u16 *a, int a_pitch, const u16 *b, int b_pitch, void *out, int pitch, int m, int n, int k,   \
                float scale, int adds) {                                                                           \
        multiply<A, B>(a, a_pitch, b, b_pitch, out, pitch, m, n, k, scale, adds);                                  \
    }

MULTIPLY(multiply_turned, false, false)
MULTIPLY(multiply_plain, false, true)
MULTIPLY(multiply_deep, true, true)
