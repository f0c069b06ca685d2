// What all kernels share. No headers: the run-time compiler of a machine without a toolkit has none.
// Values in bf16 are held as their bits; arithmetic is in f32.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE static __device__ __forceinline__
#define KERNEL extern "C" __global__ void
#define INFINITE __uint_as_float(0x7f800000u)

DEVICE float wide(u16 x) { return __uint_as_float((u32)x << 16); }
DEVICE float low(u32 x) { return __uint_as_float(x << 16); }
DEVICE float high(u32 x) { return __uint_as_float(x & 0xffff0000u); }

// Two values rounded to nearest even; the first in the low half.
DEVICE u32 pair(float first, float second) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

DEVICE u16 narrow(float x) { return (u16)pair(x, 0.0f); }
DEVICE float rounded(float x) { return wide(narrow(x)); }

// Eight values of 16 bytes.
struct Eight {
    float v[8];
};

DEVICE Eight unpack(uint4 x) {
    Eight e;
    e.v[0] = low(x.x); e.v[1] = high(x.x);
    e.v[2] = low(x.y); e.v[3] = high(x.y);
    e.v[4] = low(x.z); e.v[5] = high(x.z);
    e.v[6] = low(x.w); e.v[7] = high(x.w);
    return e;
}

DEVICE uint4 pack(const Eight &e) {
    return make_uint4(pair(e.v[0], e.v[1]), pair(e.v[2], e.v[3]), pair(e.v[4], e.v[5]), pair(e.v[6], e.v[7]));
}

DEVICE Eight load8(const u16 *p) { return unpack(*(const uint4 *)p); }
DEVICE void store8(u16 *p, const Eight &e) { *(uint4 *)p = pack(e); }

DEVICE Eight load8(const float *p) {
    float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
    Eight e = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
    return e;
}

DEVICE float warp_sum(float x) {
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

DEVICE float warp_most(float x) {
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

// The sum over a block, the same in all threads and in one order whatever the timing.
DEVICE float block_sum(float x) {
    __shared__ float sums[32];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = (blockDim.x + 31) >> 5;
    x = warp_sum(x);
    __syncthreads();
    if (lane == 0) sums[warp] = x;
    __syncthreads();
    return warp_sum(lane < warps ? sums[lane] : 0.0f);
}

// A projection in NF4, and where it goes decoded.
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
