// Numbers in memory to expansions and back: N components of T, the value their sum.
//
// Canonical: each component is the rounding to nearest of what it and those after it sum to; zeros last; an infinite or
// nan leading component stands alone.
#pragma once

#include <cmath>
#include <cstdint>

#include "expansion.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

struct Half {
  uint16_t bits;
};

HYPGEO_HD double widened(double a) { return a; }
HYPGEO_HD double widened(float a) { return double(a); }
HYPGEO_HD double widened(Half a) {
  const int e = a.bits >> 10 & 31, m = a.bits & 1023;
  double r;
  if (e == 0) {
    r = m * 0x1p-24;
  } else if (e == 31) {
    r = m ? __builtin_nan("") : __builtin_inf();
  } else {
    r = from_bits<double>(uint64_t(m) << 42 | uint64_t(e + 1008) << 52);
  }
  return a.bits >> 15 ? -r : r;
}
HYPGEO_HD void narrow(double a, float& r) { r = float(a); }
HYPGEO_HD void narrow(double a, double& r) { r = a; }
HYPGEO_HD void narrow(double a, Half& r) {  // of what is one, or nan
  const uint64_t bits = to_bits(a), sign = bits >> 48 & 0x8000;
  const double size = std::fabs(a);
  r.bits = uint16_t(sign | (!(size < 65536.0)  ? size == size ? 0x7c00 : 0x7e00
                            : size < 0x1p-14 ? uint64_t(size * 0x1p24)
                                             : (bits >> 42 & 1023) | ((bits >> 52 & 0x7ff) - 1008) << 10));
}

// One double holds every such number and is precise enough to compute in: float16 numbers are multiples of 2^-24.
template <class T, int N>
constexpr bool kPlain = std::is_same_v<T, Half> || (std::is_same_v<T, float> && N == 1);
// How many parts to compute with: one to guard for doubles; 6 doubles cover every exponent of a float.
template <class T, int N>
constexpr int kWidth = std::is_same_v<T, double> ? N + 1 : kPlain<T, N> || N == 2 ? 2 : N < 6 ? N : 6;
template <class T, int N>
constexpr int kHeld = kPlain<T, N> ? 1 : std::is_same_v<T, double> || N < 6 ? N : 6;  // parts that a number fills

using Lanes = Vec<kLanes>;

template <class T, int N>
HYPGEO_HD double load_plain(const T* x) {
  double r = widened(x[0]);
  for (int i = 1; i < N; ++i) r += widened(x[i]);
  return r;
}
// at: where each lane's number begins.
template <class T, int N, class V>
HYPGEO_HD Ex<V, kWidth<T, N>> load(const T* data, const int64_t* at) {
  constexpr int W = kWidth<T, N>;
  Ex<V, W> r{};
  if constexpr (kPlain<T, N>) {
    for (int l = 0; l < lanes_of<V>; ++l) set_lane<V>(r[0], l, load_plain<T, N>(data + at[l]));
  } else {
    V t[N] = {};
    for (int i = 0; i < N; ++i) {
      for (int l = 0; l < lanes_of<V>; ++l) set_lane<V>(t[i], l, widened(data[at[l] + i]));
    }
    if constexpr (std::is_same_v<T, float>) {
      settle<V>(t, N);
      const Mask<V> good = finite<V>(t[0]);
      for (int i = 1; i < N; ++i) t[i] = select<V>(good, t[i], V{});
    }
    for (int i = 0; i < kHeld<T, N>; ++i) r[i] = t[i];
  }
  return r;
}

// The nearest T to each double.
template <class T, class V>
HYPGEO_HD V rounded(V a) {
  if constexpr (std::is_same_v<T, double>) {
    return a;
  } else if constexpr (std::is_same_v<T, float> && lanes_of<V> > 1) {
    using Floats = typename VectorOf<float, lanes_of<V>>::type;  // a loop over lanes is miscompiled by GCC 12
    return __builtin_convertvector(__builtin_convertvector(a, Floats), V);
  } else if constexpr (std::is_same_v<T, float>) {
    return double(float(a));
  } else {  // adding 3/2 2^52 ulps rounds to whole ulps
    const V size = vabs<V>(a), one = from_bits<V>(to_bits(size) & 0x7ff0000000000000u);  // 2^e <= |a|
    const V grid = vmax<V>(one, splat<V>(0x1p-14)) * 0x1.8p42;
    const V whole = select<V>(size < 65520.0, (size + grid) - grid, size * __builtin_inf());
    return from_bits<V>(to_bits(whole) | (to_bits(a) & 0x8000000000000000u));
  }
}
// two_sum of numbers that are T: their sum in double is exact wherever it is near a tie.
template <class T, class V>
HYPGEO_HD DD<V> two_sum_of(V a, V b) {
  const V s = rounded<T, V>(a + b), t = s - a;
  return DD<V>(s, (a - (s - t)) + (b - t));
}

// Settles parts that are T and nearly so: cutting the rest off may have left a tie.
template <class T, class V>
HYPGEO_HD void settle_cut(V* t, int n) {
  for (int pass = 0; pass < n; ++pass) {
    if (pass) stand_alone<V>(t, n);
    Mask<V> moved = V{} != V{};
    for (int i = n - 2; i >= 0; --i) {
      const DD<V> s = two_sum_of<T, V>(t[i], t[i + 1]);
      moved |= s.hi != t[i];
      t[i] = s.hi;
      t[i + 1] = s.lo;
    }
    if (!any<V>(moved & finite<V>(t[0]))) break;
  }
}
// Makes a settled expansion's parts each the rounding of the rest: exact ties go where the next part points.
template <class T, class V>
HYPGEO_HD void strict(V* t, int n) {
  for (int i = 0; i + 1 < n; ++i) {
    DD<V> s = two_sum_of<T, V>(t[i], t[i + 1]);  // a part flipped above may have left this pair unsettled
    if (i + 2 < n) {
      const V twice = 2.0 * s.lo;
      const V third = t[i + 2];
      const Mask<V> alike = ((s.lo > 0.0) & (third > 0.0)) | ((s.lo < 0.0) & (third < 0.0));
      const Mask<V> tie = (rounded<T, V>(s.hi + twice) - s.hi == twice) & alike;
      s = DD<V>(select<V>(tie, s.hi + twice, s.hi), select<V>(tie, -s.lo, s.lo));
    }
    t[i] = s.hi;
    t[i + 1] = s.lo;
  }
}

// The canonical form of n settled parts that are T.
template <class T, class V>
HYPGEO_HD void canonical(V* t, int n) {
  stand_alone<V>(t, n);
  if (n == 1) return;
  settle_cut<T, V>(t, n);
  stand_alone<V>(t, n);
  if (n > 2) {
    strict<T, V>(t, n);
    stand_alone<V>(t, n);
  }
}

// d, or where there is a rest its neighbour that is odd in the last bit: it rounds as d + rest does.
template <class V>
HYPGEO_HD V sticky(V d, V rest) {
  const Mask<V> toward_zero = (rest < 0.0) != (d < 0.0);
  const V kept = select<V>(toward_zero, from_bits<V>(to_bits(d) - 1), d);
  return select<V>((rest != 0.0) & (d != 0.0), from_bits<V>(to_bits(kept) | 1), d);
}

template <class T, int N, class V>
HYPGEO_MF void store(Scaled<V, kWidth<T, N>> r, T* out, int count) {
  constexpr int W = kWidth<T, N>;
  Ex<V, W>& a = r.m;
  settle<V>(a.p, W);
  const bool moves = any<V>(r.k != 0.0);
  V c[N] = {};
  if constexpr (std::is_same_v<T, double>) {
    canonical<T, V>(a.p, N);
    if (moves) {
      a = scaled_by(a, r.k);
      canonical<T, V>(a.p, N);
    }
    for (int i = 0; i < N; ++i) c[i] = a[i];
  } else {
    stand_alone<V>(a.p, W);
    if (moves) {
      a = scaled_by(a, r.k);
      stand_alone<V>(a.p, W);
    }
    for (int i = 0; i < N; ++i) {
      c[i] = rounded<T, V>(sticky<V>(a[0], a[1]));
      a[0] = select<V>(finite<V>(c[i]), a[0] - c[i], V{});
      if (i + 1 < N) settle<V>(a.p, W);
    }
    canonical<T, V>(c, N);
  }
  for (int l = 0; l < count; ++l) {
    for (int i = 0; i < N; ++i) narrow(lane<V>(c[i], l), out[l * N + i]);
  }
}

template <class T, int N, class V>
HYPGEO_HD void store_plain(V a, T* out, int count) {
  V c[N];
  for (int i = 0; i < N; ++i) {
    c[i] = rounded<T, V>(a);
    a = select<V>(finite<V>(c[i]), a - c[i], V{});
  }
  canonical<T, V>(c, N);
  for (int l = 0; l < count; ++l) {
    for (int i = 0; i < N; ++i) narrow(lane<V>(c[i], l), out[l * N + i]);
  }
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo

// A kernel for every format, as job.h wants them.
#define HYPGEO_COMPONENTS(run, T) \
  { &run<T, 1>, &run<T, 2>, &run<T, 3>, &run<T, 4>, &run<T, 5>, &run<T, 6>, &run<T, 7>, &run<T, 8> }
#define HYPGEO_FORMATS(run) \
  { HYPGEO_COMPONENTS(run, Half), HYPGEO_COMPONENTS(run, float), HYPGEO_COMPONENTS(run, double) }
