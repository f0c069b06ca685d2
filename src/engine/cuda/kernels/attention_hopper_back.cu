// The backward pass of attention on Hopper: blocks as in attention_hopper.cu. Scores and what flows back to them are
// computed twice, once by queries and once by keys, so that every sum is one thread's own and has one order.

#ifdef HOPPER

#define BACK_STAGES 4

// Gradients of queries: one job after the other is a pair of tiles and a head.
KERNEL __launch_bounds__(HOPPER_THREADS, 1)
attend_pairs_back_query(const u16 *rows, int pitch, const u16 *grads, int grad_pitch, const float *log_sums,
                        const float *delta, u16 *out, int out_pitch, const u32 *order, const u32 *starts,
                        const u32 *list, Sight sight, int heads, int kv_heads, float scale, float plain_scale) {
    extern __shared__ __align__(16) u16 shared[];
    __shared__ u64 barriers[2 + 2 * BACK_STAGES];
    u32 queries = aligned_shared(shared), flows = queries + 2 * BLOCK, keys = flows + 2 * BLOCK;
    u32 values = keys + BACK_STAGES * BLOCK;
    Ring<1> query_ring(shared_address(barriers));
    Ring<BACK_STAGES> key_ring(query_ring.barriers + 16);
    if (threadIdx.x == 0) {
        query_ring.begin(128, 8);
        key_ring.begin(128, 8);
    }
    __syncthreads();
    int tokens = sight.tokens, share = heads / kv_heads;
    u32 jobs = (tokens + 2 * ROWS - 1) / (2 * ROWS) * heads;
    if (threadIdx.x < 128) {
        registers_less<BRING_REGISTERS>();
        Bringer bringer = {0};
        u32 job;
        for (u32 round = 0; (job = job_of(round)) < jobs; round++) {
            int two = order[job / heads], head = job % heads, kv = head / share;
            bringer.claim(query_ring);
            for (int half = 0; half < 2; half++) {
                int first = (2 * two + half) * ROWS;
                bring(queries + half * BLOCK, PANEL, rows + head * DIM, pitch, first, tokens);
                bring(flows + half * BLOCK, PANEL, grads + head * DIM, grad_pitch, first, tokens);
            }
            bringer.close(query_ring);
            u32 end = starts[two + 1];
            for (u32 at = starts[two]; at < end; at++) {
                int other = tile_of(list[at]) * ROWS;
                bringer.claim(key_ring);
                bring(keys + key_ring.stage * BLOCK, PANEL, rows + (heads + kv) * DIM, pitch, other, tokens);
                bring(values + key_ring.stage * BLOCK, PANEL, rows + (heads + kv_heads + kv) * DIM, pitch, other, tokens);
                bringer.close(key_ring);
            }
        }
        bringer.finish();
    } else {
        registers_more<COMPUTE_REGISTERS>();
        int half = (threadIdx.x >> 7) - 1, lane = threadIdx.x & 31, warp = threadIdx.x >> 5 & 3;
        u32 job;
        for (u32 round = 0; (job = job_of(round)) < jobs; round++) {
            int two = order[job / heads], head = job % heads;
            int row = (2 * two + half) * ROWS + warp * 16 + (lane >> 2);
            int query[2] = {row < tokens ? row : -1, row + 8 < tokens ? row + 8 : -1};
            u32 place[2];
            float logs[2], deltas[2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                int there = max(query[i], 0);
                place[i] = sight.positions[there];
                logs[i] = log_sums[(size_t)head * tokens + there];
                deltas[i] = delta[(size_t)head * tokens + there];
            }
            float sums[DIM / 2], scores[32], flow[32];
            u32 left[16], used = 0;
#pragma unroll
            for (int i = 0; i < DIM / 2; i++) sums[i] = 0.0f;
            wait_passed(query_ring.full(), query_ring.parity);
            pin(sums);
            for (u32 at = starts[two], end = starts[two + 1]; at < end; at++) {
                u32 entry = list[at], key_tile = keys + key_ring.stage * BLOCK;
                wait_passed(key_ring.full(), key_ring.parity);
                pin(scores);
                pin(flow);
                products_begin();
                multiply_rows(scores, queries + half * BLOCK, key_tile, PANEL);
                products_end();
                multiply_rows(flow, flows + half * BLOCK, values + key_ring.stage * BLOCK, PANEL);
                products_end();
                // The sums over the keys before are through.
                products_done<2>();
                pin(left);
                if (used && lane == 0) arrive(used);
                products_done<1>();
                pin(scores);
                hide_keys<0>(scores, sight, seen_by(entry, half), query, place, tile_of(entry) * ROWS + (lane & 3) * 2);
#pragma unroll
                for (int i = 0; i < 32; i++) scores[i] = power2(scores[i] * scale - logs[i >> 1 & 1]);
                products_done<0>();
                pin(flow);
#pragma unroll
                for (int i = 0; i < 32; i++) scores[i] *= flow[i] - deltas[i >> 1 & 1];
                as_left(left, scores);
                pin(left);
                products_begin();
                multiply_depths(sums, left, key_tile, PANEL);
                products_end();
                used = key_ring.empty();
                key_ring.next();
            }
            products_done<0>();
            pin(sums);
            pin(left);
            if (lane == 0) arrive(query_ring.empty());
            query_ring.next();
            if (lane == 0) arrive(used);
            put_rows(out + head * DIM, out_pitch, sums, row, tokens, plain_scale, plain_scale);
        }
    }
}

// Of 64 queries from `query` on what do not see two keys of a thread, 8 apart, becomes minus infinity.
DEVICE void hide_queries(float (&scores)[32], const Sight &s, u32 seen, int key, const int *ends, const u32 *place, int query) {
    if (seen == ALL_SEEN) return;
#pragma unroll
    for (int n = 0; n < 8; n++) {
        uint2 places = *(const uint2 *)(s.positions + query + n * 8);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int q = query + n * 8 + (j & 1);
            u32 before = (j & 1 ? places.y : places.x) - place[j >> 1];
            bool sees = seen && key + (j >> 1) * 8 <= q && q < ends[j >> 1] && (int)before < s.window;
            if (!sees) scores[4 * n + j] = -INFINITE;
        }
    }
}

// Gradients of a pair of tiles of keys and values by the query heads of one split: [splits, tokens, 2 kv_heads DIM].
KERNEL __launch_bounds__(HOPPER_THREADS, 1)
attend_pairs_back_key(const u16 *rows, int pitch, const u16 *grads, int grad_pitch, const float *log_sums,
                      const float *delta, float *out, const u32 *order, const u32 *starts, const u32 *list,
                      Sight sight, int heads, int kv_heads, int splits, float scale, float plain_scale) {
    extern __shared__ __align__(16) u16 shared[];
    __shared__ u64 barriers[2 + 2 * BACK_STAGES];
    // Of each place in the ring: log sums of 64 queries, then their deltas.
    __shared__ __align__(16) float numbers[BACK_STAGES][2 * ROWS];
    u32 keys = aligned_shared(shared), values = keys + 2 * BLOCK, queries = values + 2 * BLOCK;
    u32 flows = queries + BACK_STAGES * BLOCK;
    Ring<1> key_ring(shared_address(barriers));
    Ring<BACK_STAGES> query_ring(key_ring.barriers + 16);
    if (threadIdx.x == 0) {
        key_ring.begin(128, 8);
        query_ring.begin(128, 8);
    }
    __syncthreads();
    int tokens = sight.tokens, two = order[blockIdx.y], kv = blockIdx.x / splits;
    int own = heads / kv_heads / splits, first_head = blockIdx.x * own;
    u32 first = starts[two], end = starts[two + 1];
    if (threadIdx.x < 128) {
        registers_less<BRING_REGISTERS>();
        Bringer bringer = {0};
        for (int half = 0; half < 2; half++) {
            int first = (2 * two + half) * ROWS;
            bring(keys + half * BLOCK, PANEL, rows + (heads + kv) * DIM, pitch, first, tokens);
            bring(values + half * BLOCK, PANEL, rows + (heads + kv_heads + kv) * DIM, pitch, first, tokens);
        }
        bringer.close(key_ring);
        for (int head = first_head; head < first_head + own; head++) {
            const float *number = (threadIdx.x < ROWS ? log_sums : delta) + (size_t)head * tokens;
            for (u32 at = first; at < end; at++) {
                int other = tile_of(list[at]) * ROWS;
                bringer.claim(query_ring);
                bring(queries + query_ring.stage * BLOCK, PANEL, rows + head * DIM, pitch, other, tokens);
                bring(flows + query_ring.stage * BLOCK, PANEL, grads + head * DIM, grad_pitch, other, tokens);
                int query = min(other + (int)threadIdx.x % ROWS, tokens - 1);
                asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(
                                 shared_address(numbers[query_ring.stage] + threadIdx.x)),
                             "l"(number + query)
                             : "memory");
                bringer.close(query_ring);
            }
        }
        bringer.finish();
    } else {
        registers_more<COMPUTE_REGISTERS>();
        int half = (threadIdx.x >> 7) - 1, lane = threadIdx.x & 31, warp = threadIdx.x >> 5 & 3;
        int key = (2 * two + half) * ROWS + warp * 16 + (lane >> 2), ends[2];
        u32 place[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            bool there = key + 8 * i < tokens;
            ends[i] = there ? sight.ends[key + 8 * i] : 0;
            place[i] = there ? sight.positions[key + 8 * i] : 0;
        }
        float key_sums[DIM / 2], value_sums[DIM / 2], scores[32], flow[32];
        u32 chances[16], left[16], used = 0;
#pragma unroll
        for (int i = 0; i < DIM / 2; i++) key_sums[i] = value_sums[i] = 0.0f;
        pin(key_sums);
        pin(value_sums);
        wait_passed(key_ring.full(), key_ring.parity);
        for (int h = 0; h < own; h++) {
            for (u32 at = first; at < end; at++) {
                u32 entry = list[at], query_tile = queries + query_ring.stage * BLOCK;
                u32 flow_tile = flows + query_ring.stage * BLOCK;
                const float *number = numbers[query_ring.stage] + (lane & 3) * 2;
                wait_passed(query_ring.full(), query_ring.parity);
                pin(scores);
                pin(flow);
                products_begin();
                multiply_rows(scores, keys + half * BLOCK, query_tile, PANEL);
                products_end();
                multiply_rows(flow, values + half * BLOCK, flow_tile, PANEL);
                products_end();
                // The sums over the queries before are through.
                products_done<2>();
                pin(left);
                if (used && lane == 0) arrive(used);
                products_done<1>();
                pin(scores);
                hide_queries(scores, sight, seen_by(entry, half), key, ends, place, tile_of(entry) * ROWS + (lane & 3) * 2);
#pragma unroll
                for (int n = 0; n < 8; n++) {
                    float2 logs = *(const float2 *)(number + 8 * n);
#pragma unroll
                    for (int j = 0; j < 4; j++)
                        scores[4 * n + j] = power2(scores[4 * n + j] * scale - (j & 1 ? logs.y : logs.x));
                }
                as_left(chances, scores);
                pin(chances);
                products_begin();
                multiply_depths(value_sums, chances, flow_tile, PANEL);
                products_end();
                products_done<1>();
                pin(flow);
                // Chances as they were rounded for the values: there are no registers to keep them whole.
#pragma unroll
                for (int n = 0; n < 8; n++) {
                    float2 deltas = *(const float2 *)(number + ROWS + 8 * n);
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        u32 two = chances[2 * n + (j >> 1)];
                        float chance = j & 1 ? high(two) : low(two);
                        flow[4 * n + j] = chance * (flow[4 * n + j] - (j & 1 ? deltas.y : deltas.x));
                    }
                }
                as_left(left, flow);
                pin(left);
                products_begin();
                multiply_depths(key_sums, left, query_tile, PANEL);
                products_end();
                // Registers of these chances are wanted for the next scores.
                products_done<1>();
                pin(chances);
                used = query_ring.empty();
                query_ring.next();
            }
        }
        products_done<0>();
        pin(key_sums);
        pin(value_sums);
        pin(chances);
        pin(left);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int row = key + 8 * i, split = blockIdx.x % splits;
            if (row >= tokens) continue;
            float *to = out + ((size_t)split * tokens + row) * 2 * kv_heads * DIM + kv * DIM + (lane & 3) * 2;
#pragma unroll
            for (int n = 0; n < DIM / 8; n++) {
                int at = 4 * n + 2 * i;
                *(float2 *)(to + n * 8) = make_float2(key_sums[at] * plain_scale, key_sums[at + 1] * plain_scale);
                *(float2 *)(to + kv_heads * DIM + n * 8) = make_float2(value_sums[at], value_sums[at + 1]);
            }
        }
    }
}

#endif
