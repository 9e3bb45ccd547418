// The numbers of hypgeo/embed/draws.py: SplitMix64's output function of a key and a place.
// G. L. Steele, D. Lea, C. H. Flood. Fast splittable pseudorandom number generators. OOPSLA 2014, figure 17.
#pragma once

#include <algorithm>

#include "../scalar/config.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace learn {

HYPGEO_HD uint64_t word(uint64_t key, uint64_t place) {
  uint64_t z = key + (place + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The nodes drawn against u, the pair at place `at` of the epoch's order.
inline void draw(const learning::Job& job, int64_t at, int64_t u, int64_t* to) {
  const int64_t begin = job.indptr[u], end = job.indptr[u + 1], k = job.negatives;
  const int64_t* kept = job.kept;
  const uint64_t room = uint64_t(job.nodes - (end - begin)), first = uint64_t(at * k);
  for (int64_t j = 0; j < k; ++j) to[j] = int64_t((word(job.key, first + uint64_t(j)) >> 32) * room >> 32);
  if (end - begin > 64) {
    for (int64_t j = 0; j < k; ++j) to[j] += std::upper_bound(kept + begin, kept + end, to[j]) - (kept + begin);
    return;
  }
  // each e_j - j that is not beyond moves a node on by one: passes over all draws have no branches
  int64_t moved[64];
  for (int64_t from = 0; from < k; from += 64) {
    const int64_t some = std::min<int64_t>(64, k - from);
    for (int64_t j = 0; j < some; ++j) moved[j] = 0;
    for (int64_t e = begin; e < end; ++e) {
      const int64_t limit = kept[e];
      for (int64_t j = 0; j < some; ++j) moved[j] += limit <= to[from + j];
    }
    for (int64_t j = 0; j < some; ++j) to[from + j] += moved[j];
  }
}

}  // namespace learn
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
