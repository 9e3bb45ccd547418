// V: one double, or several at once as a vector of the compiler's (row index = lane).  Formulas are written once for
// all.
//
// Arithmetic and comparisons of vectors are the compiler's own; a comparison gives a mask (bool for one lane, integers
// of 0 or -1 for several) that &, | and `select` take.
#pragma once

#include <cstdint>
#include <type_traits>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif

#include "config.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

template <class T, int L>
struct VectorOf {
  typedef T type __attribute__((vector_size(L * sizeof(T))));
};
template <class T>
struct VectorOf<T, 1> {
  using type = T;
};
template <int L>
using Vec = typename VectorOf<double, L>::type;

template <class V>
constexpr int lanes_of = int(sizeof(V) / sizeof(double));
template <class V>
using Bits = typename VectorOf<uint64_t, lanes_of<V>>::type;

// How many lanes one register of the instruction set holds.
#if defined(__CUDACC__)
constexpr int kLanes = 1;
#elif defined(__AVX512F__)
constexpr int kLanes = 8;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int kLanes = 4;
#else
constexpr int kLanes = 2;
#endif

template <class V>
concept IsLanes = std::is_same_v<V, double> || std::is_same_v<V, Vec<2>> || std::is_same_v<V, Vec<4>> ||
                  std::is_same_v<V, Vec<8>>;
template <IsLanes V>
using Mask = decltype(V{} < V{});

template <IsLanes V>
HYPGEO_HD V splat(double a) {
  if constexpr (lanes_of<V> == 1) {
    return a;
  } else {
    return V{} + a;
  }
}
template <IsLanes V>
  requires(lanes_of<V> > 1)
HYPGEO_HD V splat(V a) {
  return a;
}
// A double, an integer, or V itself, where V is meant.
template <class T, class V>
concept ToLanes = std::is_same_v<T, V> || std::is_arithmetic_v<T>;

template <IsLanes V>
HYPGEO_HD double lane(const V& a, int i) {
  if constexpr (lanes_of<V> == 1) {
    return a;
  } else {
    return a[i];
  }
}
template <IsLanes V>
HYPGEO_HD void set_lane(V& a, int i, double x) {
  if constexpr (lanes_of<V> == 1) {
    a = x;
  } else {
    a[i] = x;
  }
}

template <class V>
HYPGEO_HD Bits<V> to_bits(V a) {
  return __builtin_bit_cast(Bits<V>, a);
}
template <class V>
HYPGEO_HD V from_bits(Bits<V> a) {
  return __builtin_bit_cast(V, a);
}

template <IsLanes V>
HYPGEO_HD V select(const Mask<V>& m, const V& a, const V& b) {
  return m ? a : b;
}
template <IsLanes V>
HYPGEO_HD V vmin(V a, V b) {
  return a < b ? a : b;
}
template <IsLanes V>
HYPGEO_HD V vmax(V a, V b) {
  return a > b ? a : b;
}
template <IsLanes V>
HYPGEO_HD V vabs(V a) {
  if constexpr (lanes_of<V> == 1) {
    return std::fabs(a);
  } else {
    return from_bits<V>(to_bits(a) & 0x7fffffffffffffffu);
  }
}

template <IsLanes V>
HYPGEO_HD V vsqrt(V a) {
  if constexpr (lanes_of<V> == 1) {
    return std::sqrt(a);
#if defined(__AVX512F__)
  } else if constexpr (lanes_of<V> == 8) {
    return V(_mm512_sqrt_pd(a));
#endif
#if defined(__AVX__)
  } else if constexpr (lanes_of<V> == 4) {
    return V(_mm256_sqrt_pd(a));
#endif
#if defined(__SSE2__)
  } else if constexpr (lanes_of<V> == 2) {
    return V(_mm_sqrt_pd(a));
#endif
  } else {
    V r;
    for (int i = 0; i < lanes_of<V>; ++i) r[i] = std::sqrt(a[i]);
    return r;
  }
}

// a b + c: rounded once where HYPGEO_FMA, else twice.
template <IsLanes V>
HYPGEO_HD V vfma(V a, V b, V c) {
#if HYPGEO_FMA
  if constexpr (lanes_of<V> == 1) {
    return std::fma(a, b, c);
#if defined(__AVX512F__)
  } else if constexpr (lanes_of<V> == 8) {
    return V(_mm512_fmadd_pd(a, b, c));
#endif
#if defined(__FMA__)
  } else if constexpr (lanes_of<V> == 4) {
    return V(_mm256_fmadd_pd(a, b, c));
  } else if constexpr (lanes_of<V> == 2) {
    return V(_mm_fmadd_pd(a, b, c));
#endif
  } else {
    V r;
    for (int i = 0; i < lanes_of<V>; ++i) r[i] = std::fma(a[i], b[i], c[i]);
    return r;
  }
#else
  return a * b + c;
#endif
}

// Reciprocals and roots.  The divider takes 16 to 32 cycles for a register of 512 bits and does nothing else meanwhile;
// Newton's iteration from the 14 bits that an instruction gives takes 3 to 6.  In units of u = 2^-53, relative:
//   reciprocal 9/8 (the last step's rounding, and 2^-56 of the estimate), root 17/16, half_inverse 5/2, rough_root 2^-13.
// Whatever is not a finite positive normal number gives what division and root would, or NaN.
template <IsLanes V>
HYPGEO_HD V reciprocal(V a) {
#if defined(__AVX512F__)
  if constexpr (lanes_of<V> == 8) {
    const V seed = V(_mm512_rcp14_pd(a)), one = splat<V>(1.0);
    V r = vfma<V>(seed, vfma<V>(-a, seed, one), seed);
    r = vfma<V>(r, vfma<V>(-a, r, one), r);
    return r == r ? r : seed;  // 1/0 and 1/inf
  }
#endif
  return 1.0 / a;
}
template <class V>
struct RootOf {
  V root, half_inverse;  // half of 1 / root, finite at 0
};
template <IsLanes V>
HYPGEO_HD RootOf<V> vroot(V a) {
#if defined(__AVX512F__)
  if constexpr (lanes_of<V> == 8) {
    const V seed = V(_mm512_rsqrt14_pd(a)), half = splat<V>(0.5);
    V g = a * seed, h = 0.5 * seed, r = vfma<V>(-g, h, half);
    g = vfma<V>(g, r, g);
    h = vfma<V>(h, r, h);
    r = vfma<V>(-g, h, half);
    h = vfma<V>(h, r, h);
    g = vfma<V>(g, r, g);
    g = vfma<V>(vfma<V>(-g, g, a), h, g);
    const Mask<V> none = a == 0.0;
    return {none ? a : g, none ? splat<V>(0x1p599) : h};
  }
#endif
  const V s = vsqrt<V>(a);
  return {s, 0.5 / vmax<V>(s, splat<V>(0x1p-600))};
}
template <IsLanes V>
HYPGEO_HD V rough_root(V a) {
#if defined(__AVX512F__)
  if constexpr (lanes_of<V> == 8) {
    return V(_mm512_maskz_mul_pd(_mm512_cmp_pd_mask(a, __m512d{}, _CMP_NEQ_UQ), a, _mm512_rsqrt14_pd(a)));
  }
#endif
  return vsqrt<V>(a);
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
