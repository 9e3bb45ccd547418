// Sums, running sums and products along lines of numbers.  x is (outer, count, inner), dense; lines are numbered
// outer-major.  Sums carry a guarding part, so that their error is that of rounding the result and n c u of that of
// |x_1| + ... + |x_n|, c of 2 (one component) to 2^17 (eight): n additions of weak expansions, c u^W each.
#pragma once

#include "evaluate.h"
#include "format.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// Where line i begins.
template <int N>
HYPGEO_HD int64_t start(const Lines& job, int64_t line) {
  return (line / job.inner * job.count * job.inner + line % job.inner) * N;
}

// A running sum whose parts overflowed while its true value may not: begun again, all 2^-64 as large.
template <class V, int W>
struct Total {
  Ex<V, W> sum{}, small{};
  V lead{};
  HYPGEO_HD void add(const Ex<V, W>& x) {
    lead += x[0];
    const Mask<V> good = finite<V>(x[0]);
    const Ex<V, W> y = select<V, W>(good, x, number<V, W>(0.0));
    sum = sum + y;
    small = small + times(y, 0x1p-64);
    odd |= !good;
  }
  HYPGEO_HD void join(const Total& other) {
    lead += other.lead;
    sum = sum + other.sum;
    small = small + other.small;
    odd |= other.odd;
  }
  HYPGEO_HD Scaled<V, W> value() const {
    const Mask<V> over = !(finite<V>(sum[0]) & finite<V>(sum[1]));
    Scaled<V, W> r{select<V, W>(over, small, sum), select<V>(over, splat<V>(64.0), V{})};
    r.m = select<V, W>(odd, to<W>(Ex<V, 1>{{lead}}), r.m);
    r.k = select<V>(odd, V{}, r.k);
    return r;
  }
  Mask<V> odd = V{} != V{};
};

// A running product, brought near 1 at each step.
template <class V, int W>
struct Factors {
  Ex<V, W> m = number<V, W>(1.0);
  V k{}, lead = splat<V>(1.0);  // the exponent; the product of the signs, zeros, infinities and nans
  HYPGEO_HD void times(const Ex<V, W>& x, V exponent) {
    const Scaled<V, W> s = scaled(x), p = scaled(m * s.m);
    m = p.m;
    k += exponent + s.k + p.k;
  }
  HYPGEO_HD void add(const Ex<V, W>& x) {
    const Mask<V> good = finite<V>(x[0]);
    const V sign = select<V>(x[0] > 0.0, splat<V>(1.0), splat<V>(-1.0));
    lead *= select<V>(good & (x[0] != 0.0), sign, x[0]);
    times(select<V, W>(good, x, number<V, W>(1.0)), V{});
  }
  HYPGEO_HD void join(const Factors& other) {
    lead *= other.lead;
    times(other.m, other.k);
  }
  HYPGEO_HD Scaled<V, W> value() const {
    const Mask<V> good = finite<V>(lead);
    return {select<V, W>(good, m, to<W>(Ex<V, 1>{{lead}})), select<V>(good, k, V{})};
  }
};

// One sum with the lanes along it, where there are few lines.
template <class T, int N, class V>
HYPGEO_FN void sum_along(const Lines& job, int64_t line, T* out) {
  constexpr int W = kWidth<T, N>;
  const T* x = static_cast<const T*>(job.x);
  const int64_t begin = start<N>(job, line), step = job.inner * N;
  Total<V, W> total;
  int64_t at[lanes_of<V>];
  for (int64_t i = 0; i < job.count; i += lanes_of<V>) {
    const int count = job.count - i < lanes_of<V> ? int(job.count - i) : lanes_of<V>;
    for (int l = 0; l < lanes_of<V>; ++l) at[l] = begin + (i + (l < count ? l : 0)) * step;
    Ex<V, W> a = load<T, N, V>(x, at);
    for (int l = count; l < lanes_of<V>; ++l)
      for (int j = 0; j < W; ++j) set_lane<V>(a[j], l, 0.0);
    total.add(a);
  }
  // The lanes' sums, one after the other.
  const Scaled<V, W> lanes = total.value();
  Total<V, W> one;
  bool over = false;
  for (int l = 0; l < lanes_of<V>; ++l) over |= lane<V>(lanes.k, l) != 0.0;
  for (int l = 0; l < lanes_of<V>; ++l) {
    Ex<V, W> a{};
    const double f = over && lane<V>(lanes.k, l) == 0.0 ? 0x1p-64 : 1.0;
    for (int j = 0; j < W; ++j) set_lane<V>(a[j], 0, f * lane<V>(lanes.m[j], l));
    one.add(a);
  }
  Scaled<V, W> r = one.value();
  if (over) r.k += 64.0;
  store<T, N, V>(r, out, 1);
}

template <class T, int N>
HYPGEO_FN void run_sum(const Lines& job, int64_t begin, int64_t end) {
  using V = Lanes;
  constexpr int W = kWidth<T, N>;
  const T* x = static_cast<const T*>(job.x);
  T* out = static_cast<T*>(job.out);
  int64_t at[kLanes];
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    if (count < kLanes && job.count > 2 * kLanes) {
      for (int l = 0; l < count; ++l) sum_along<T, N, V>(job, i + l, out + (i + l) * N);
      continue;
    }
    for (int l = 0; l < kLanes; ++l) at[l] = start<N>(job, l < count ? i + l : i);
    Total<V, W> total;
    for (int64_t j = 0; j < job.count; ++j) {
      total.add(load<T, N, V>(x, at));
      for (int l = 0; l < kLanes; ++l) at[l] += job.inner * N;
    }
    store<T, N, V>(total.value(), out + i * N, count);
  }
}

template <class T, int N>
HYPGEO_FN void run_cumsum(const Lines& job, int64_t begin, int64_t end) {
  using V = Lanes;
  constexpr int W = kWidth<T, N>;
  const T* x = static_cast<const T*>(job.x);
  T* out = static_cast<T*>(job.out);
  int64_t at[kLanes];
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    for (int l = 0; l < kLanes; ++l) at[l] = start<N>(job, l < count ? i + l : i);
    Total<V, W> total;
    for (int64_t j = 0; j < job.count; ++j) {
      total.add(load<T, N, V>(x, at));
      T now[kLanes * N];
      store<T, N, V>(total.value(), now, count);
      for (int l = 0; l < count; ++l)
        for (int c = 0; c < N; ++c) out[at[l] + c] = now[l * N + c];
      for (int l = 0; l < kLanes; ++l) at[l] += job.inner * N;
    }
  }
}

template <class T, int N>
HYPGEO_FN void run_prod(const Lines& job, int64_t begin, int64_t end) {
  using V = Lanes;
  constexpr int W = kWidth<T, N>;
  const T* x = static_cast<const T*>(job.x);
  T* out = static_cast<T*>(job.out);
  int64_t at[kLanes];
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    for (int l = 0; l < kLanes; ++l) at[l] = start<N>(job, l < count ? i + l : i);
    Factors<V, W> product;
    for (int64_t j = 0; j < job.count; ++j) {
      product.add(load<T, N, V>(x, at));
      for (int l = 0; l < kLanes; ++l) at[l] += job.inner * N;
    }
    store<T, N, V>(product.value(), out + i * N, count);
  }
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
