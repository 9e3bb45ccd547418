// CUDA's words for a compiler without CUDA: a kernel's threads are the host's, block after block.
#pragma once

#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#define __CUDACC__ 1
#define __host__
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static

struct Index {
  unsigned x = 0;
};
inline thread_local Index threadIdx, blockIdx, gridDim;

inline std::unique_ptr<std::barrier<>> meeting;
inline std::atomic<int> against{0};
inline void __syncthreads() { meeting->arrive_and_wait(); }
inline int __syncthreads_and(int yes) {
  if (!yes) against = 1;
  meeting->arrive_and_wait();
  const int all = !against;
  meeting->arrive_and_wait();
  if (threadIdx.x == 0) against = 0;
  meeting->arrive_and_wait();
  return all;
}

// Threads of the host stand for a block's; each does its part of every block in turn.
struct OnHost {
  template <class... P, class... A>
  void operator()(void (*kernel)(P...), int64_t blocks, int threads, const A&... with) const {
    meeting = std::make_unique<std::barrier<>>(threads);
    std::vector<std::jthread> block;
    for (int t = 0; t < threads; ++t) {
      block.emplace_back([=] {
        threadIdx.x = unsigned(t);
        gridDim.x = unsigned(blocks);
        for (int64_t b = 0; b < blocks; ++b) {
          blockIdx.x = unsigned(b);
          kernel(with...);
          meeting->arrive_and_wait();
        }
      });
    }
  }
};
