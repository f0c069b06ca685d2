// What dropout loses, as the processor's engine computes it: from the step's key, the projection's place, the token's
// number in the step and the column.

// The step of SplitMix64.
DEVICE u64 mixed(u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// `out = mask * x`, or with `adds` `out += mask * x`, one block a row. `draw` is the key in two halves and the number of
// the first token; four draws of 16 bits are in one number, and those below `limit` are lost.
KERNEL mask_rows(const u16 *x, int x_pitch, u16 *out, int out_pitch, int width, const u32 *draw, u32 place, u32 limit,
                 float scale, int adds) {
    u64 key = ((u64)draw[1] << 32) | draw[0];
    u64 row = mixed(mixed(key ^ place) ^ (u64)(draw[2] + blockIdx.x));
    x += (size_t)blockIdx.x * x_pitch;
    out += (size_t)blockIdx.x * out_pitch;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(x + i), b;
        if (adds) b = load8(out + i);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            u64 draws = mixed(row + (u64)(i / 4 + half));
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float factor = (u32)(draws & 0xffff) < limit ? 0.0f : scale;
                int at = half * 4 + j;
                a.v[at] = adds ? b.v[at] + a.v[at] * factor : a.v[at] * factor;
                draws >>= 16;
            }
        }
        store8(out + i, a);
    }
}
