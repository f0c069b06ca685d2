// Weights made ready for products: NF4 decoded to bf16, the adapter beside them.

// Eights that a block decodes.
#define EIGHTS 1024

// All projections of a layer. A magnitude is map[q] * nested + offset, each step rounded, and a value
// code * magnitude rounded to bf16 once, as the reference does it. Rows are multiples of 8 long.
KERNEL decode(const Part *parts, u32 count, const float *map) {
    __shared__ float code[16];
    if (threadIdx.x < 16) code[threadIdx.x] = __uint_as_float(CODE[threadIdx.x]);
    __syncthreads();
    u32 index = 0;
    while (index + 1 < count && blockIdx.x >= parts[index + 1].first_block) index++;
    const Part part = parts[index];
    u32 first = (blockIdx.x - part.first_block) * EIGHTS + threadIdx.x;
#pragma unroll
    for (u32 step = 0; step < EIGHTS / 256; step++) {
        u32 eight = first + step * 256;
        u32 at = eight * 8;
        if (at >= part.count) return;
        u32 codes = ((const u32 *)part.codes)[eight];
        u32 block = at / 64;
        float scaled = __fmul_rn(map[part.magnitudes[block]], part.nested[block / 256]);
        float magnitude = __fadd_rn(scaled, part.offset);
        Eight e;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            u32 byte = codes >> (8 * i);
            e.v[2 * i] = __fmul_rn(code[(byte >> 4) & 15], magnitude);
            e.v[2 * i + 1] = __fmul_rn(code[byte & 15], magnitude);
        }
        u32 row = at / part.inputs;
        store8(part.out + (size_t)row * part.pitch + (at - row * part.inputs), e);
    }
}

struct Side {
    u16 *out;
    u32 from;
    u32 rows;
    u32 columns;
    u32 pitch;
    float scale;
    u32 first_block;
};

// A and s B of a layer, rounded to bf16. `from` counts within the layer; `shift` is the layer's, in bytes.
KERNEL fold(const Side *sides, u32 count, const float *values, u64 shift) {
    u32 index = 0;
    while (index + 1 < count && blockIdx.x >= sides[index + 1].first_block) index++;
    const Side side = sides[index];
    u32 first = (blockIdx.x - side.first_block) * 1024 + threadIdx.x;
    for (u32 step = 0; step < 4; step++) {
        u32 at = first + step * 256;
        if (at >= side.rows * side.columns) return;
        u32 row = at / side.columns;
        float value = values[side.from + at] * side.scale;
        u16 *out = side.out + shift / 2;
        out[(size_t)row * side.pitch + (at - row * side.columns)] = narrow(value);
    }
}
