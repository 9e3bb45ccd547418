// Matrix products.  A component product of float64 pairs costs 15 operations; blocks of rows and columns stay in
// registers, and b's components are laid out apart.
#pragma once

#include <memory>

#include "evaluate.h"
#include "format.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// s += a b for pairs: the products of order u exactly, those of order u^2 rounded; error 16 u^2 |a b| + 3 u^2 |s|, and
// 8 u^2 |a b| where s = 0 (tests/csrc/test_multifloat_bounds.py).
template <IsLanes V>
HYPGEO_HD void add_product(DD<V>& s, const DD<V>& a, const DD<V>& b) {
  const DD<V> p = two_prod<V>(a.hi, b.hi), t = two_sum<V>(s.hi, p.hi);
#if HYPGEO_FMA
  const V low = vfma<V>(a.lo, b.hi, vfma<V>(a.hi, b.lo, p.lo));
#else
  const V low = (a.hi * b.lo + p.lo) + a.lo * b.hi;
#endif
  s = fast_two_sum<V>(t.hi, s.lo + (t.lo + low));
}

// Columns [0, columns) of b as panels of kWide vectors, row by row: hi and lo vectors beside each other.
constexpr int kTall = 4, kWide = 2;

template <int R>
void block(const Product& job, int64_t row, int64_t column, const double* panel) {
  using V = Lanes;
  const double* a = static_cast<const double*>(job.a) + 2 * row * job.k;
  double* c = static_cast<double*>(job.c);
  DD<V> s[R][kWide];
  for (auto& line : s)
    for (auto& cell : line) cell = DD<V>(V{});
  for (int64_t k = 0; k < job.k; ++k) {
    DD<V> b[kWide];
    for (int j = 0; j < kWide; ++j) {
      __builtin_memcpy(&b[j], panel + (k * kWide + j) * 2 * kLanes, sizeof(DD<V>));
    }
    for (int i = 0; i < R; ++i) {
      const double* at = a + 2 * (i * job.k + k);
      const DD<V> x(splat<V>(at[0]), splat<V>(at[1]));
      for (int j = 0; j < kWide; ++j) add_product<V>(s[i][j], x, b[j]);
    }
  }
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < kWide; ++j) {
      for (int l = 0; l < kLanes; ++l) {
        const int64_t n = column + j * kLanes + l;
        if (n >= job.n) break;
        const DD<double> r = two_sum<double>(lane<V>(s[i][j].hi, l), lane<V>(s[i][j].lo, l));
        double* out = c + 2 * ((row + i) * job.n + n);
        out[0] = r.hi;
        out[1] = r.lo;
      }
    }
  }
}

inline void run_pair_product(const Product& job, int64_t begin, int64_t end) {  // rows
  constexpr int64_t width = kWide * kLanes;
  const double* b = static_cast<const double*>(job.b);
  std::unique_ptr<double[]> panel(new double[size_t(job.k * width * 2)]);
  for (int64_t column = 0; column < job.n; column += width) {
    double* to = panel.get();
    for (int64_t k = 0; k < job.k; ++k) {
      for (int j = 0; j < kWide; ++j) {
        for (int l = 0; l < kLanes; ++l) {
          const int64_t n = column + j * kLanes + l;
          const double* from = b + 2 * (k * job.n + n);
          to[l] = n < job.n ? from[0] : 0.0;
          to[l + kLanes] = n < job.n ? from[1] : 0.0;
        }
        to += 2 * kLanes;
      }
    }
    int64_t row = begin;
    for (; row + kTall <= end; row += kTall) block<kTall>(job, row, column, panel.get());
    for (; row < end; ++row) block<1>(job, row, column, panel.get());
  }
}

// Any format: the lanes are columns, or where those are few, terms.
template <class T, int N>
void run_product(const Product& job, int64_t begin, int64_t end) {  // rows
  using V = Lanes;
  constexpr int W = kWidth<T, N>;
  if constexpr (std::is_same_v<T, double> && N == 2) {
    if (job.calm && job.n >= kLanes) return run_pair_product(job, begin, end);
  }
  const T *a = static_cast<const T*>(job.a), *b = static_cast<const T*>(job.b);
  T* c = static_cast<T*>(job.c);
  const auto product_of = [&](const Ex<V, W>& x, const Ex<V, W>& y) {
    if (job.calm) return x * y;
    const Scaled<V, W> p = product<V, W>(x, y);
    return any<V>(p.k != 0.0) ? scaled_by(p.m, p.k) : p.m;
  };
  int64_t at_a[kLanes], at_b[kLanes];
  for (int64_t row = begin; row < end; ++row) {
    if (job.n >= kLanes / 2) {
      for (int64_t column = 0; column < job.n; column += kLanes) {
        const int count = job.n - column < kLanes ? int(job.n - column) : kLanes;
        Ex<V, W> s{};
        for (int64_t k = 0; k < job.k; ++k) {
          for (int l = 0; l < kLanes; ++l) {
            at_a[l] = (row * job.k + k) * N;
            at_b[l] = (k * job.n + column + (l < count ? l : 0)) * N;
          }
          s = s + product_of(load<T, N, V>(a, at_a), load<T, N, V>(b, at_b));
        }
        store<T, N, V>({s, V{}}, c + (row * job.n + column) * N, count);
      }
      continue;
    }
    for (int64_t column = 0; column < job.n; ++column) {
      Ex<V, W> s{};
      for (int64_t k = 0; k < job.k; k += kLanes) {
        const int count = job.k - k < kLanes ? int(job.k - k) : kLanes;
        for (int l = 0; l < kLanes; ++l) {
          at_a[l] = (row * job.k + k + (l < count ? l : 0)) * N;
          at_b[l] = ((k + (l < count ? l : 0)) * job.n + column) * N;
        }
        Ex<V, W> p = product_of(load<T, N, V>(a, at_a), load<T, N, V>(b, at_b));
        for (int l = count; l < kLanes; ++l)
          for (int i = 0; i < W; ++i) set_lane<V>(p[i], l, 0.0);
        s = s + p;
      }
      Ex<V, W> one{};
      for (int l = 0; l < kLanes; ++l) {
        Ex<V, W> part{};
        for (int i = 0; i < W; ++i) set_lane<V>(part[i], 0, lane<V>(s[i], l));
        one = one + part;
      }
      store<T, N, V>({one, V{}}, c + (row * job.n + column) * N, 1);
    }
  }
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
