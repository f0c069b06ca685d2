// Attention of training by both sets of kernels on a Hopper GPU: how far apart they are, whether a second run gives the same
// bits, and the time of each kernel alone (median of 15) with the rate it works at. Needs CUDA's nvcc:
//
//     nvcc -std=c++17 -O3 -gencode=arch=compute_90a,code=sm_90a -DDIM=128 -Isrc/engine/cuda/kernels benches/attention_kernels.cu && ./a.out
//
// Rates count pairs of tokens that see each other only. `out`, `logs`, `dq`, `dkv` are the norm of the difference over the norm.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda_runtime.h>
#include <utility>
#include <vector>

#ifndef DIM
#define DIM 128
#endif
#define PAD ((DIM + 15) / 16 * 16)
// The host's pass has to see the kernels too.
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH_FEAT_SM90_ALL
#endif
#include "common.cuh"
#include "tensor.cuh"
#include "tile.cuh"
#include "attention.cu"
#include "hopper.cuh"
#include "attention_hopper.cu"
#include "attention_hopper_back.cu"

#include "measure.cuh"

typedef std::vector<u32> Words;
struct Lists {
    Words starts, list, order;
};

static Lists joined(const std::vector<Words> &lists) {
    Lists all;
    all.starts.push_back(0);
    for (const Words &list : lists) {
        all.list.insert(all.list.end(), list.begin(), list.end());
        all.starts.push_back((u32)all.list.size());
    }
    return all;
}

// As `Lists::paired` in tiles.rs.
static Lists paired(const std::vector<Words> &lists) {
    std::vector<Words> pairs((lists.size() + 1) / 2);
    for (size_t tile = 0; tile < lists.size(); tile++)
        for (u32 entry : lists[tile]) {
            u32 other = entry & 0x7fffffff, seen = (entry >> 31 ? 3u : 1u) << (28 + 2 * (tile % 2));
            Words &pair = pairs[tile / 2];
            auto found = std::find_if(pair.begin(), pair.end(), [&](u32 e) { return (e & 0x0fffffff) == other; });
            if (found == pair.end()) pair.push_back(other | seen);
            else *found |= seen;
        }
    for (Words &pair : pairs)
        std::sort(pair.begin(), pair.end(), [](u32 a, u32 b) { return (a & 0x0fffffff) < (b & 0x0fffffff); });
    Lists all = joined(pairs);
    for (u32 i = 0; i < pairs.size(); i++) all.order.push_back(i);
    std::stable_sort(all.order.begin(), all.order.end(), [&](u32 a, u32 b) { return pairs[a].size() > pairs[b].size(); });
    return all;
}

template <class T> static T *room(size_t count, int fill) {
    T *at;
    OK(cudaMalloc(&at, count * sizeof(T) + 1024));
    OK(cudaMemset(at, fill, count * sizeof(T) + 1024));
    return at;
}
template <class T> static T *up(const std::vector<T> &values) {
    T *at = room<T>(values.size(), 0);
    OK(cudaMemcpy(at, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    return at;
}
template <class T> static std::vector<T> down(const T *at, size_t count) {
    std::vector<T> values(count);
    OK(cudaMemcpy(values.data(), at, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

static float uniform() {
    static u64 state = 1;
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 40) / 16777216.0f;
}
static std::vector<u16> randoms(size_t count) {
    std::vector<u16> values(count);
    for (u16 &value : values) {
        float x = (uniform() + uniform() + uniform() + uniform() - 2.0f) * 1.732f;
        u32 bits;
        memcpy(&bits, &x, 4);
        value = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
    return values;
}
static double number(float x) { return x; }
static double number(u16 x) {
    u32 bits = (u32)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
template <class T> static double apart(const std::vector<T> &got, const std::vector<T> &want) {
    double off = 0.0, size = 0.0;
    for (size_t i = 0; i < got.size(); i++) {
        double a = number(got[i]), b = number(want[i]);
        off += (a - b) * (a - b);
        size += b * b;
    }
    return std::isfinite(off) ? sqrt(off / size) : INFINITY;
}

// Rows of these lengths, packed.
static void measure(const std::vector<int> &lengths, int heads, int kv_heads, int window, int splits, bool times) {
    int tokens = 0;
    Words places, ends;
    for (int length : lengths) {
        for (int i = 0; i < length; i++) {
            places.push_back(i);
            ends.push_back(tokens + length);
        }
        tokens += length;
    }
    int tiles = (tokens + ROWS - 1) / ROWS;
    std::vector<Words> keys(tiles), queries(tiles);
    double pairs_seen = 0.0;
    for (int tile = 0; tile < tiles; tile++) {
        Words count(tiles);
        for (int query = tile * ROWS; query < std::min(tokens, (tile + 1) * ROWS); query++)
            for (int key = query - (int)std::min<u32>(places[query], window - 1); key <= query; key++) count[key / ROWS]++;
        for (int other = 0; other < tiles; other++) {
            if (!count[other]) continue;
            u32 whole = count[other] == ROWS * ROWS ? 1u << 31 : 0;
            pairs_seen += count[other];
            keys[tile].push_back(other | whole);
            queries[other].push_back(tile | whole);
        }
    }
    Lists key_lists = joined(keys), query_lists = joined(queries), key_pairs = paired(keys), query_pairs = paired(queries);
    u32 *ks = up(key_lists.starts), *kl = up(key_lists.list), *qs = up(query_lists.starts), *ql = up(query_lists.list);
    u32 *pks = up(key_pairs.starts), *pkl = up(key_pairs.list), *pko = up(key_pairs.order);
    u32 *pqs = up(query_pairs.starts), *pql = up(query_pairs.list), *pqo = up(query_pairs.order);

    int width = (heads + 2 * kv_heads) * DIM, query = heads * DIM, out_pitch = query + 16, grad_pitch = width + 48;
    u16 *rows = up(randoms((size_t)tokens * width)), *grads = up(randoms((size_t)tokens * query));
    Sight sight = {up(places), up(ends), tokens, window};
    size_t out_len = (size_t)tokens * out_pitch, grad_len = (size_t)tokens * grad_pitch, log_len = (size_t)heads * tokens;
    size_t sum_len = (size_t)splits * tokens * 2 * kv_heads * DIM;
    u16 *out[2], *dq[2];
    float *logs[2], *sums[2], *delta = room<float>(log_len, 0);
    for (int i = 0; i < 2; i++) {
        // What nobody writes is not a number, but for the columns beside heads.
        out[i] = room<u16>(out_len, 0);
        dq[i] = room<u16>(grad_len, 0);
        logs[i] = room<float>(log_len, 0xff);
        sums[i] = room<float>(sum_len, 0xff);
    }
    float plain = 1.0f / sqrtf(DIM), scale = plain * 1.44269504f;
    int one = ROWS * (PAD + 8) * 2, front = one * 5, back = one * 4, shared = 12 * ROWS * DIM * 2 + 1024;
    auto most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    OK(cudaFuncSetAttribute(attend, most, front));
    OK(cudaFuncSetAttribute(attend_back_query, most, back));
    OK(cudaFuncSetAttribute(attend_back_key, most, back));
    OK(cudaFuncSetAttribute(attend_pairs, most, shared));
    OK(cudaFuncSetAttribute(attend_pairs_back_query, most, shared));
    OK(cudaFuncSetAttribute(attend_pairs_back_key, most, shared));
    int pairs = (tiles + 1) / 2, processors;
    OK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
    int blocks = std::min(processors, pairs * heads);
    auto forward = [&] {
        attend<<<dim3(tiles, heads), 128, front>>>(rows, width, out[0], out_pitch, logs[0], ks, kl, sight, heads, kv_heads, scale);
    };
    auto deltas = [&] { attend_delta<<<tokens, 256>>>(out[0], out_pitch, grads, query, delta, tokens, heads); };
    auto back_query = [&] {
        attend_back_query<<<dim3(tiles, heads), 128, back>>>(rows, width, grads, query, logs[0], delta, dq[0], grad_pitch, ks, kl,
                                                            sight, heads, kv_heads, scale, plain);
    };
    auto back_key = [&] {
        attend_back_key<<<dim3(tiles, kv_heads * splits), 128, back>>>(rows, width, grads, query, logs[0], delta, sums[0], qs, ql,
                                                                      sight, heads, kv_heads, splits, scale, plain);
    };
    auto forward_pairs = [&] {
        attend_pairs<<<blocks, HOPPER_THREADS, shared>>>(rows, width, out[1], out_pitch, logs[1], pko, pks, pkl, sight, heads,
                                                         kv_heads, scale);
    };
    auto back_query_pairs = [&] {
        attend_pairs_back_query<<<blocks, HOPPER_THREADS, shared>>>(rows, width, grads, query, logs[0], delta, dq[1], grad_pitch,
                                                                    pko, pks, pkl, sight, heads, kv_heads, scale, plain);
    };
    auto back_key_pairs = [&] {
        attend_pairs_back_key<<<dim3(kv_heads * splits, pairs), HOPPER_THREADS, shared>>>(
            rows, width, grads, query, logs[0], delta, sums[1], pqo, pqs, pql, sight, heads, kv_heads, splits, scale, plain);
    };
    forward();
    deltas();
    back_query();
    back_key();
    forward_pairs();
    back_query_pairs();
    back_key_pairs();
    OK(cudaDeviceSynchronize());
    auto a = down(out[1], out_len), b = down(dq[1], grad_len);
    auto c = down(sums[1], sum_len);
    printf("%zu rows, %d tokens, heads %d/%d of %d, window %d, splits %d: out %.1e logs %.1e dq %.1e dkv %.1e", lengths.size(),
           tokens, heads, kv_heads, DIM, window, splits, apart(a, down(out[0], out_len)),
           apart(down(logs[1], log_len), down(logs[0], log_len)), apart(b, down(dq[0], grad_len)),
           apart(c, down(sums[0], sum_len)));
    forward_pairs();
    back_query_pairs();
    back_key_pairs();
    OK(cudaDeviceSynchronize());
    bool same = a == down(out[1], out_len) && b == down(dq[1], grad_len) &&
                !memcmp(c.data(), down(sums[1], sum_len).data(), sum_len * sizeof(float));
    printf(same ? ", the same bits again\n" : ", OTHER BITS\n");
    if (times) {
        double flop = 4.0 * pairs_seen * DIM * heads / 1e9;
        auto tell = [&](const char *what, double share, double old, double now) {
            printf("  %-8s %.3f ms, %3.0f TFLOP/s; Hopper's own %.3f ms, %3.0f TFLOP/s\n", what, old, share * flop / old, now,
                   share * flop / now);
        };
        tell("forward", 1.0, timed(forward), timed(forward_pairs));
        tell("queries", 1.5, timed(back_query), timed(back_query_pairs));
        tell("keys", 2.0, timed(back_key), timed(back_key_pairs));
        printf("  deltas   %.3f ms\n", timed(deltas));
    }
    for (void *at : std::vector<void *>{rows, grads, out[0], out[1], dq[0], dq[1], logs[0], logs[1], sums[0], sums[1], delta}) cudaFree(at);
}

int main() {
    int all = 0x7fffffff;
    measure({5, 170, 64, 17, 333, 1, 128, 700}, 6, 2, all, 1, false);
    measure({5, 170, 64, 17, 333, 1, 128, 701}, 6, 2, 100, 3, false);
    measure({9}, 3, 3, all, 1, false);
    measure({1024}, 12, 2, all, 6, true);
    measure(std::vector<int>(4, 1024), 12, 2, all, 3, true);
    measure(std::vector<int>(8, 2048), 12, 2, all, 1, true);
}
