// One epoch of gradient steps on the softmax-over-negatives loss: plain pointers, no torch.
#pragma once

#include <cstdint>

namespace hypgeo::learning {

struct Job {
  double* points = nullptr;  // (nodes, width)
  int64_t nodes = 0, width = 0;
  const int64_t* pairs = nullptr;  // (count, 2): u, and the neighbour v of it
  const int64_t* order = nullptr;  // (count,): pairs in their turn
  int64_t count = 0;
  // For each node the increasing e_j that are not drawn against it, as e_j - j, in compressed rows.
  const int64_t *indptr = nullptr, *kept = nullptr;
  int64_t negatives = 0, batch = 0;
  double scale = 1.0, rate = 0.0, c = 1.0;
  uint64_t key = 0;
  double loss = 0.0;   // out: sum over the pairs
  int64_t stuck = -1;  // out: a node whose step came to nothing finite, where the epoch stopped
};

using Kernel = void (*)(Job&);

constexpr int kComponents = 4;  // of a half-space coordinate, at most
struct Kernels {
  Kernel ball, hyperboloid, half[kComponents], half_tile, hyperboloid_tile;
};

}  // namespace hypgeo::learning
