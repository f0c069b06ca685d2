// What measures of kernels share: calls are checked, and a kernel's time is the median of 15.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <vector>

static void check(int error, int line) {
    if (error == 0) return;
    printf("line %d: %s\n", line, cudaGetErrorString((cudaError_t)error));
    exit(1);
}
#define OK(x) check(x, __LINE__)

// Milliseconds.
template <class Work> static double timed(Work work) {
    cudaEvent_t begin, end;
    OK(cudaEventCreate(&begin));
    OK(cudaEventCreate(&end));
    std::vector<float> times;
    for (int i = 0; i < 15; i++) {
        float ms;
        OK(cudaEventRecord(begin));
        work();
        OK(cudaEventRecord(end));
        OK(cudaEventSynchronize(end));
        OK(cudaEventElapsedTime(&ms, begin, end));
        times.push_back(ms);
    }
    OK(cudaGetLastError());
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}
