// Our own matrix products on a GPU: how far they are from a product in f32, whether a second run gives the same bits, and the
// time of each (median of 15) with the rate it works at, beside cuBLAS. Needs CUDA's nvcc:
//
//     nvcc -std=c++17 -O3 -arch=native -Isrc/engine/cuda/kernels benches/product_kernels.cu -lcublas && ./a.out
//
// Every shape is multiplied in all three sizes of blocks. `off` is the norm of the difference over the norm.
#include <cmath>
#include <cstring>
#include <cublas_v2.h>
#include <vector>

#include "common.cuh"
#include "tensor.cuh"
#include "product.cu"

#include "measure.cuh"

typedef void (*Multiply)(const u16 *, int, const u16 *, int, void *, int, int, int, int, float, int, int);
static const Multiply KERNELS[3][3] = {{multiply_turned_large, multiply_plain_large, multiply_deep_large},
                                       {multiply_turned_middle, multiply_plain_middle, multiply_deep_middle},
                                       {multiply_turned_thin, multiply_plain_thin, multiply_deep_thin}};
static const char *SIZES[3] = {"large", "middle", "thin"}, *LIES[3] = {"turned", "plain", "deep"};
static const int EDGES[3] = {128, 64, 32};
static const int SHARED = 64 << 10;

__global__ void fill_random(u16 *to, size_t count, u32 seed) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        u32 x = (u32)i * 2654435761u + seed;
        x ^= x >> 16; x *= 0x85ebca6bu; x ^= x >> 13; x *= 0xc2b2ae35u; x ^= x >> 16;
        to[i] = narrow((float)(x & 0xffff) / 32768.0f - 1.0f);
    }
}

// One result a thread.
__global__ void reference(const u16 *a, int pa, const u16 *b, int pb, float *out, int m, int n, int k, int lie) {
    int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    if (r >= m || c >= n) return;
    float sum = 0.0f;
    for (int d = 0; d < k; d++)
        sum += wide(lie == 2 ? a[(size_t)d * pa + r] : a[(size_t)r * pa + d]) * wide(lie == 0 ? b[(size_t)c * pb + d] : b[(size_t)d * pb + c]);
    out[(size_t)r * n + c] = sum;
}

__global__ void compare(const void *got, int pitch, const float *want, int m, int n, int f32, double *sums) {
    double off = 0, size = 0;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < (size_t)m * n; i += (size_t)gridDim.x * blockDim.x) {
        size_t at = i / n * pitch + i % n;
        double x = f32 ? ((const float *)got)[at] : wide(((const u16 *)got)[at]), y = want[i];
        off += (x - y) * (x - y);
        size += y * y;
    }
    atomicAdd(sums, off);
    atomicAdd(sums + 1, size);
}

// Lies, rows, columns, depth, values a row is longer than it must be (`a`, `b`, `out`), and values before the first.
struct Shape {
    int lie, m, n, k, more[3], before;
};

int main() {
    const Shape shapes[] = {
        {0, 4096, 17920, 1568, {0, 0, 64}, 0}, {0, 4096, 1536, 8976, {0, 0, 0}, 0}, {1, 4096, 1536, 17952, {0, 0, 0}, 0},
        {1, 4096, 8960, 1552, {0, 0, 0}, 0},   {0, 2048, 151936, 1536, {0, 0, 0}, 0}, {1, 2048, 1536, 151936, {0, 0, 0}, 0},
        {0, 512, 17920, 1568, {0, 0, 0}, 0},   {0, 512, 1536, 8976, {0, 0, 0}, 0},  {1, 512, 1536, 17952, {0, 0, 0}, 0},
        {0, 512, 2048, 1584, {0, 0, 0}, 0},    {0, 4096, 32, 1536, {32, 32, 32}, 0}, {0, 4096, 16, 8960, {16, 16, 16}, 0},
        {1, 4096, 32, 17920, {32, 32, 32}, 0}, {2, 32, 1536, 4096, {17920, 32, 0}, 0}, {2, 8960, 16, 4096, {8992, 1552, 0}, 0},
        {2, 1536, 16, 4096, {16, 8960, 0}, 0}, {0, 130, 70, 37, {3, 1, 5}, 1},      {1, 77, 45, 100, {2, 1, 0}, 3},
        {2, 65, 33, 71, {1, 0, 3}, 1},         {0, 200, 136, 40, {8, 16, 4}, 0},    {1, 200, 136, 40, {8, 16, 4}, 0},
        {2, 200, 136, 40, {8, 16, 4}, 0},
    };
    cublasHandle_t cublas;
    OK(cublasCreate(&cublas));
    for (auto &size : KERNELS)
        for (Multiply kernel : size) OK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED));
    double *sums;
    OK(cudaMalloc(&sums, 16));
    int failures = 0;
    for (const Shape &s : shapes) {
        bool adds = s.lie == 2;
        int pa = (s.lie == 2 ? s.m : s.k) + s.more[0], pb = (s.lie == 0 ? s.k : s.n) + s.more[1], po = s.n + s.more[2];
        size_t na = (size_t)(s.lie == 2 ? s.k : s.m) * pa, nb = (size_t)(s.lie == 0 ? s.n : s.k) * pb, no = (size_t)s.m * po;
        u16 *a, *b;
        char *out, *again;
        float *want;
        OK(cudaMalloc(&a, na * 2 + 64));
        OK(cudaMalloc(&b, nb * 2 + 64));
        OK(cudaMalloc(&out, no * 4 + 64));
        OK(cudaMalloc(&again, no * 4 + 64));
        OK(cudaMalloc(&want, (size_t)s.m * s.n * 4));
        fill_random<<<1024, 256>>>(a, na + 32, 1);
        fill_random<<<1024, 256>>>(b, nb + 32, 2);
        const u16 *left = a + s.before, *right = b + s.before;
        reference<<<dim3((s.n + 15) / 16, (s.m + 15) / 16), dim3(16, 16)>>>(left, pa, right, pb, want, s.m, s.n, s.k, s.lie);
        int aligned = s.before % 8 == 0 && pa % 8 == 0 && pb % 8 == 0;
        double flops = 2.0 * s.m * s.n * s.k;
        printf("%-6s %6d x %6d x %6d", LIES[s.lie], s.m, s.n, s.k);
        for (int size = aligned ? 0 : 2; size < 3; size++) {
            int edge = EDGES[size], blocks = ((s.m + edge - 1) / edge) * ((s.n + edge - 1) / edge);
            auto run = [&](char *to) {
                KERNELS[size][s.lie]<<<blocks, 128, SHARED>>>(left, pa, right, pb, to, po, s.m, s.n, s.k, 1.0f, adds, aligned);
            };
            OK(cudaMemset(out, 0, no * 4));
            OK(cudaMemset(again, 0, no * 4));
            run(out);
            run(again);
            OK(cudaMemset(sums, 0, 16));
            compare<<<256, 256>>>(out, po, want, s.m, s.n, adds, sums);
            double off[2];
            OK(cudaMemcpy(off, sums, 16, cudaMemcpyDeviceToHost));
            std::vector<char> first(no * 4), second(no * 4);
            OK(cudaMemcpy(first.data(), out, no * 4, cudaMemcpyDeviceToHost));
            OK(cudaMemcpy(second.data(), again, no * 4, cudaMemcpyDeviceToHost));
            double error = sqrt(off[0] / off[1]), bound = adds ? 1e-5 : 4e-3;
            bool good = error < bound && memcmp(first.data(), second.data(), first.size()) == 0;
            // What lies behind a row must stay.
            for (int r = 0; r < s.m && good; r++)
                for (int c = s.n; c < po; c++)
                    for (int i = 0; i < (adds ? 4 : 2); i++) good &= first[((size_t)r * po + c) * (adds ? 4 : 2) + i] == 0;
            failures += !good;
            double ms = timed([&] { run(out); });
            printf("  %s %8.4f ms %4.0f TFLOP/s off %.1e%s", SIZES[size], ms, flops / ms / 1e9, error, good ? "" : " WRONG");
        }
        float one = 1.0f, old = adds ? 1.0f : 0.0f;
        double ms = timed([&] {
            OK(cublasGemmEx(cublas, s.lie == 0 ? CUBLAS_OP_T : CUBLAS_OP_N, s.lie == 2 ? CUBLAS_OP_T : CUBLAS_OP_N, s.n, s.m, s.k, &one, right,
                            CUDA_R_16BF, pb, left, CUDA_R_16BF, pa, &old, out, adds ? CUDA_R_32F : CUDA_R_16BF, po, CUBLAS_COMPUTE_32F,
                            CUBLAS_GEMM_DEFAULT));
        });
        printf("  cublas %8.4f ms %4.0f TFLOP/s\n", ms, flops / ms / 1e9);
        for (void *p : {(void *)a, (void *)b, (void *)out, (void *)again, (void *)want}) OK(cudaFree(p));
    }
    printf("%d wrong\n", failures);
    return failures > 0;
}
