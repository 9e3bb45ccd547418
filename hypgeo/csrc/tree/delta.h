// Gromov's four-point delta of a finite metric, exactly.
//
// Pairs are taken by falling distance; for a pair and every earlier one, delta >= (S1 - max(S2, S3)) / 2, and delta of a
// quadruple is at most half its smaller pair distance, so the search ends once a distance is no more than 2 delta
// (Cohen, Coudert, Lancin 2015).  Only far-apart pairs matter: those that no neighbour extends (Soto 2011).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace hypgeo::tree {

inline double delta(const double* d, int64_t n, const int64_t* ptr, const int64_t* nbr) {
  struct Pair {
    double d;
    int32_t a, b;
  };
  std::vector<Pair> pairs;
  // Some neighbour z of a has a on a shortest path from b to z.  It must be farther, not only by an edge that rounding swallows:
  // else two nodes at (nearly) one place would each be passed over for the other.
  auto extended = [&](int64_t a, int64_t b) {
    const double* from = d + b * n;
    for (int64_t e = ptr[a]; e < ptr[a + 1]; ++e) {
      const int64_t z = nbr[e];
      if (from[z] > from[a] && from[z] >= from[a] + d[a * n + z]) return true;
    }
    return false;
  };
  for (int64_t a = 0; a < n; ++a)
    for (int64_t b = a + 1; b < n; ++b)
      if (!extended(a, b) && !extended(b, a)) pairs.push_back({d[a * n + b], int32_t(a), int32_t(b)});
  std::sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) { return x.d > y.d; });
  double best = 0;
  for (size_t i = 0; i < pairs.size() && pairs[i].d > 2 * best; ++i) {
    const Pair p = pairs[i];
    const double *ra = d + p.a * n, *rb = d + p.b * n;
    for (size_t j = 0; j < i; ++j) {
      const Pair q = pairs[j];
      const double other = std::max(ra[q.a] + rb[q.b], ra[q.b] + rb[q.a]);
      best = std::max(best, 0.5 * (p.d + q.d - other));
    }
  }
  return best;
}

}  // namespace hypgeo::tree
