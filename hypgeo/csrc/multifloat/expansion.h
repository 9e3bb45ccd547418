// Ex<V, W>: an unevaluated sum of W doubles (or vectors of them), the largest first, and elementary functions of it.
//
// "Weak" means |p[k]| <= c u^k |p[0]| with a small c, u = 2^-53; zeros may stand anywhere.  Products, sums that do not
// cancel, and Newton's iterations take and give weak expansions with an error of c u^W: orders of u below W - 1 are
// summed exactly, order W - 1 in plain doubles, the rest is left out.  How large p[k] may be follows from the parts
// before it alone, so that c does not grow with the number of operations: 2^4 for a sum and 2^7 for a product of W = 3
// parts, 2^25 and 2^31 of 9; a function's steps make it 2^33 at most, those of a power 2^38.  So W = N + 1 parts give N
// of them with an error of (1 + 2^-15) u^N: the rounding at the end and nothing else.  All this, and the bounds beside
// the functions of two parts, is derived in tests/csrc/test_multifloat_bounds.py.
// "Settled": p[k] + p[k + 1] rounds to p[k] for each k, zeros last, whatever cancelled.
// Leading parts should lie within 2^+-400 for products (`scaled` sees to that); `settle` has no such limit.
//
//   [D]    T. J. Dekker. A floating-point technique for extending the available precision. Numer. Math. 18 (1971).
//   [HLB]  Y. Hida, X. S. Li, D. H. Bailey. Algorithms for quad-double precision arithmetic. ARITH 15, 2001.
//   [JMPT] M. Joldes, J.-M. Muller, V. Popescu, W. Tucker. Arithmetic algorithms for extended precision using
//          floating-point expansions. IEEE Trans. Comput. 65 (2016), 1197.
//   [B]    R. P. Brent. Fast multiple-precision evaluation of elementary functions. J. ACM 23 (1976), 242.
// The plain PyTorch side is hypgeo/ops/_expansion.py.
#pragma once

#include "../scalar/special.h"

#define HYPGEO_MF HYPGEO_FN __attribute__((noinline))

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// In functions, so that a GPU has them too.
HYPGEO_HD const double* log_two() {
  static constexpr double parts[] = {
      0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.7b57a079a1934p-111, -0x1.ace93a4ebe5d1p-165,
      -0x1.23a2a82ea0c24p-219, 0x1.d881b7aeb2615p-274, 0x1.9552fb4afa1b1p-328, 0x1.da5d5c6b82704p-385,
      0x1.4427573b29117p-440, -0x1.91f6b05a4d7a7p-494, -0x1.db5173ae53426p-548,
  };
  return parts;
}
HYPGEO_HD const double* quarter_turn() {  // pi / 2, as far as float64's exponents go
  static constexpr double parts[] = {
      0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110, 0x1.4cf98e804177dp-164,
      0x1.31d89cd9128a5p-218, 0x1.0f31c6809bbdfp-276, 0x1.519b3cd3a431bp-331, 0x1.8158536f92f8ap-386,
      0x1.ba7f09ab6b6a9p-442, -0x1.edd0dbd2544cfp-498, 0x1.79fb1bd1310bap-553, 0x1.a637ed6b0bff6p-607,
      -0x1.a485fca40908ep-662, -0x1.e501295d98169p-717, -0x1.160dbee83b4ep-771, -0x1.9b6d799ae131cp-827,
      0x1.6cf70801f2e28p-881, 0x1.63bf0598da483p-935, 0x1.871574e69a459p-989, -0x0.0000002b816dap-1022,
  };
  return parts;
}

using hypgeo::select;

constexpr int kMostParts = 9;
constexpr double kTiny = 0x1p-250;  // below it, an odd function's second term is beyond 8 parts

template <IsLanes V>
HYPGEO_HD bool any(const Mask<V>& m) {
  if constexpr (lanes_of<V> == 1) {
    return m;
#if defined(__AVX512F__)
  } else if constexpr (lanes_of<V> == 8) {
    return _mm512_test_epi64_mask(__m512i(m), __m512i(m)) != 0;
#endif
#if defined(__AVX__)
  } else if constexpr (lanes_of<V> == 4) {
    return !_mm256_testz_si256(__m256i(m), __m256i(m));
#endif
#if defined(__SSE2__)
  } else if constexpr (lanes_of<V> == 2) {
    return _mm_movemask_epi8(__m128i(m)) != 0;
#endif
  } else {
    bool r = false;
    for (int i = 0; i < lanes_of<V>; ++i) r |= m[i] != 0;
    return r;
  }
}
template <IsLanes V>
HYPGEO_HD bool lane_of(const Mask<V>& m, int i) {
  if constexpr (lanes_of<V> == 1) {
    return m;
  } else {
    return m[i] != 0;
  }
}
template <IsLanes V>
HYPGEO_HD Mask<V> finite(V a) {
  return a - a == 0.0;
}

template <class V, int W>
struct Ex {
  V p[W];
  HYPGEO_HD V& operator[](int i) { return p[i]; }
  HYPGEO_HD const V& operator[](int i) const { return p[i]; }
};

template <class V>
HYPGEO_HD Ex<V, 2> of(const DD<V>& a) {
  return {{a.hi, a.lo}};
}

// With other parts: cut, or zeros added.
template <int W, class V, int M>
HYPGEO_HD Ex<V, W> to(const Ex<V, M>& a) {
  Ex<V, W> r{};
  for (int i = 0; i < W; ++i) r[i] = i < M ? a[i < M ? i : 0] : V{};
  return r;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> number(double c) {
  Ex<V, W> r{};
  r[0] = splat<V>(c);
  return r;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> number(const double* c) {
  Ex<V, W> r{};
  for (int i = 0; i < W; ++i) r[i] = splat<V>(c[i]);
  return r;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> times(Ex<V, W> a, V power) {  // by a power of two
  for (int i = 0; i < W; ++i) a[i] *= power;
  return a;
}
template <class V, int W>
  requires(lanes_of<V> > 1)
HYPGEO_HD Ex<V, W> times(const Ex<V, W>& a, double power) {
  return times(a, splat<V>(power));
}
template <class V, int W>
HYPGEO_HD Ex<V, W> operator-(Ex<V, W> a) {
  for (int i = 0; i < W; ++i) a[i] = -a[i];
  return a;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> select(const Mask<V>& m, const Ex<V, W>& a, const Ex<V, W>& b) {
  Ex<V, W> r{};
  for (int i = 0; i < W; ++i) r[i] = hypgeo::select<V>(m, a[i], b[i]);
  return r;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> absolute(const Ex<V, W>& a) {
  return select<V, W>(a[0] < 0.0, -a, a);
}
template <class V, int W>
HYPGEO_HD Ex<V, W> signed_as(const Ex<V, W>& a, V sign) {
  return select<V, W>(sign < 0.0, -a, a);
}

// ---- settled sums

template <class V>
HYPGEO_HD void vec_sum(V* t, int m) {  // [JMPT] algorithm 4: t[0] the sum of all, the errors behind it
  for (int i = m - 2; i >= 0; --i) {
    const DD<V> s = two_sum<V>(t[i], t[i + 1]);
    t[i] = s.hi;
    t[i + 1] = s.lo;
  }
}

// Beside an infinity stand nans: zeros instead.
template <class V>
HYPGEO_HD void stand_alone(V* t, int n) {
  const Mask<V> good = finite<V>(t[0]);
  for (int i = 1; i < n; ++i) t[i] = select<V>(good, t[i], V{});
}

// Settles m numbers of any size and order in place: vec_sum until nothing moves, as in distillation.
template <class V>
HYPGEO_MF void settle(V* t, int m) {
  for (int pass = 0; pass < 2 * m; ++pass) {
    Mask<V> moved = V{} != V{};
    for (int i = m - 2; i >= 0; --i) {
      const DD<V> s = two_sum<V>(t[i], t[i + 1]);
      moved |= s.hi != t[i];
      t[i] = s.hi;
      t[i + 1] = s.lo;
    }
    const Mask<V> good = finite<V>(t[0]);
    if (any<V>(!good)) stand_alone<V>(t, m);
    if (!any<V>(moved & good)) break;
  }
}
template <int W, class V, int M>
HYPGEO_HD Ex<V, W> settled(V (&t)[M]) {
  settle<V>(t, M);
  Ex<V, W> r{};
  for (int i = 0; i < W; ++i) r[i] = i < M ? t[i < M ? i : 0] : V{};
  return r;
}
// a + b, whatever cancels.
template <int W, class V, int A, int B>
HYPGEO_HD Ex<V, W> plus(const Ex<V, A>& a, const Ex<V, B>& b) {
  if constexpr (W == 2 && A <= 2 && B == 1) return of<V>((A == 1 ? DD<V>(a[0]) : DD<V>(a[0], a[A - 1])) + b[0]);
  if constexpr (W == 2 && A == 1 && B == 2) return of<V>(DD<V>(b[0], b[1]) + a[0]);
  if constexpr (W == 2 && A == 2 && B == 2) return of<V>(DD<V>(a[0], a[1]) + DD<V>(b[0], b[1]));
  V t[A + B];
  int m = 0;
  for (int i = 0; i < (A > B ? A : B); ++i) {
    if (i < A) t[m++] = a[i < A ? i : 0];
    if (i < B) t[m++] = b[i < B ? i : 0];
  }
  return settled<W>(t);
}

// ---- weak arithmetic, by orders of u as in [HLB]

template <class V, int W>
HYPGEO_MF Ex<V, W> operator+(const Ex<V, W>& a, const Ex<V, W>& b) {  // without cancellation: error c u^W (|a| + |b|)
  Ex<V, W> r{};
  V carry[W + 1], next[W + 1];
  int n = 0;
  for (int k = 0; k + 1 < W; ++k) {
    DD<V> s = two_sum<V>(a[k], b[k]);
    next[0] = s.lo;
    for (int i = 0; i < n; ++i) {
      s = two_sum<V>(s.hi, carry[i]);
      next[i + 1] = s.lo;
    }
    r[k] = s.hi;
    n = k + 1;
    for (int i = 0; i < n; ++i) carry[i] = next[i];
  }
  V last = a[W - 1] + b[W - 1];
  for (int i = 0; i < n; ++i) last += carry[i];
  r[W - 1] = last;
  vec_sum<V>(r.p, W);
  return r;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> operator-(const Ex<V, W>& a, const Ex<V, W>& b) {
  return a + (-b);
}
template <class V, int W>
HYPGEO_HD Ex<V, W> operator+(const Ex<V, W>& a, double b) {
  return a + number<V, W>(b);
}

template <class V, int W>
HYPGEO_MF Ex<V, W> operator*(const Ex<V, W>& a, const Ex<V, W>& b) {
  Ex<V, W> r{};
  constexpr int kRoom = W * W + 1;
  V carry[kRoom], next[kRoom];
  int n = 0;
  for (int k = 0; k + 1 < W; ++k) {
    DD<V> s = two_prod<V>(a[0], b[k]);
    int m = 0;
    next[m++] = s.lo;
    for (int i = 1; i <= k; ++i) {
      const DD<V> p = two_prod<V>(a[i], b[k - i]);
      next[m++] = p.lo;
      s = two_sum<V>(s.hi, p.hi);
      next[m++] = s.lo;
    }
    for (int i = 0; i < n; ++i) {
      s = two_sum<V>(s.hi, carry[i]);
      next[m++] = s.lo;
    }
    r[k] = s.hi;
    n = m;
    for (int i = 0; i < n; ++i) carry[i] = next[i];
  }
  V last = a[0] * b[W - 1];
  for (int i = 1; i < W; ++i) last += a[i] * b[W - 1 - i];
  for (int i = 0; i < n; ++i) last += carry[i];
  r[W - 1] = last;
  vec_sum<V>(r.p, W);
  return r;
}

// Two parts: scalar/multifloat.h has the same and its bounds, 5 u^2 for products.  Weak sums round a1 + b1, u^2 (|a| +
// |b|), and s.lo + that, u^2 (|a + b| + |a| + |b|): 3 u^2 (|a| + |b|), as every pair comes out of a two_sum.
template <class V>
HYPGEO_HD Ex<V, 2> operator*(const Ex<V, 2>& a, const Ex<V, 2>& b) {
  return of<V>(DD<V>(a[0], a[1]) * DD<V>(b[0], b[1]));
}
template <class V>
HYPGEO_HD Ex<V, 2> operator+(const Ex<V, 2>& a, const Ex<V, 2>& b) {
  const DD<V> s = two_sum<V>(a[0], b[0]);
  return of<V>(two_sum<V>(s.hi, s.lo + (a[1] + b[1])));
}
template <class V>
HYPGEO_HD Ex<V, 2> operator/(const Ex<V, 2>& a, const Ex<V, 2>& b) {
  return of<V>(DD<V>(a[0], a[1]) / DD<V>(b[0], b[1]));
}

// Newton's iteration, the parts doubled each time.  a != 0.  Two parts: (1 - a x)^2 is 9/4 u^2, and 3/2 for a x, 1 for
// the sum make 4.8 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> reciprocal(const Ex<V, W>& a) {
  if constexpr (W == 1) {
    return {{1.0 / a[0]}};
  } else {
    const Ex<V, W> x = to<W>(reciprocal<V, (W + 1) / 2>(to<(W + 1) / 2>(a)));
    return x + x * (-(a * x) + 1.0);
  }
}
// Two parts: 3/8 (1 - a x^2)^2 is 6 u^2, and half of 5 for a x^2, 1/2 for the sum make 9.1 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> inverse_root(const Ex<V, W>& a) {  // a > 0
  if constexpr (W == 1) {
    return {{1.0 / vsqrt<V>(a[0])}};
  } else {
    const Ex<V, W> x = to<W>(inverse_root<V, (W + 1) / 2>(to<(W + 1) / 2>(a)));
    return x + times(x * (-(a * (x * x)) + 1.0), 0.5);
  }
}
template <class V, int W>
HYPGEO_HD Ex<V, W> operator/(const Ex<V, W>& a, const Ex<V, W>& b) {
  return a * reciprocal<V, W>(b);
}

// ---- powers of two; exponents are doubles that hold integers

template <IsLanes V>
HYPGEO_HD V power_of_two(V k) {  // -1022 <= k <= 1023
  return from_bits<V>(to_bits(k + (0x1.8p52 + 1023.0)) << 52);
}
template <IsLanes V>
HYPGEO_HD V nearest_integer(V a) {  // |a| < 2^51
  return (a + 0x1.8p52) - 0x1.8p52;
}
// a 2^k, each part rounded once.
template <class V, int W>
HYPGEO_HD Ex<V, W> scaled_by(Ex<V, W> a, V k) {
  k = vmin<V>(vmax<V>(k, splat<V>(-4000.0)), splat<V>(4000.0));
  const V q = nearest_integer<V>(0.25 * k), f = power_of_two<V>(q), last = power_of_two<V>(k - 3.0 * q);
  for (int i = 0; i < W; ++i) a[i] = a[i] * f * f * f * last;
  return a;
}
// floor(log2 |a|), 0 for 0.
template <IsLanes V>
HYPGEO_HD V exponent_of(V a) {
  const V size = vabs<V>(a);
  const Mask<V> low = size < 0x1p-1000;
  const V up = hypgeo::select<V>(low, size * 0x1p100, size);
  const V biased = from_bits<V>((to_bits(up) >> 52) | 0x4330000000000000u) - 0x1p52;
  return hypgeo::select<V>(size == 0.0, V{}, biased - hypgeo::select<V>(low, splat<V>(1123.0), splat<V>(1023.0)));
}

// What a function gives: m 2^k.
template <class V, int W>
struct Scaled {
  Ex<V, W> m;
  V k;
};
// 1 <= |m| < 2; what the scaling loses lies 2^-1000 below the leading part.
template <class V, int W>
HYPGEO_HD Scaled<V, W> scaled(const Ex<V, W>& a) {
  const V k = exponent_of<V>(a[0]);
  return {scaled_by(a, -k), k};
}
template <class V, int W>
HYPGEO_MF Scaled<V, W> root(const Ex<V, W>& a, bool inverse) {  // a > 0, any exponent
  Scaled<V, W> s = scaled(a);
  const V half = nearest_integer<V>(0.5 * s.k - 0.25), odd = s.k - 2.0 * half;
  s.m = times(s.m, power_of_two<V>(odd));
  if constexpr (W == 2) {
    if (!inverse) return {of<V>(sqrt(DD<V>(s.m[0], s.m[1]))), half};
  }
  const Ex<V, W> r = inverse_root<V, W>(s.m);
  return inverse ? Scaled<V, W>{r, -half} : Scaled<V, W>{s.m * r, half};
}
template <class V, int W>
HYPGEO_HD Ex<V, W> root_of(const Ex<V, W>& a) {  // a >= 0
  const Mask<V> some = a[0] > 0.0;
  const Scaled<V, W> r = root<V, W>(select<V, W>(some, a, number<V, W>(1.0)), false);
  return select<V, W>(some, scaled_by(r.m, r.k), number<V, W>(0.0));
}

// ---- series

struct Tables {
  static constexpr int kSteps = 160;
  double inverse[16][kMostParts];    // 1 / k
  double factorial[64][kMostParts];  // 1 / k!
  int halvings[kMostParts + 1], terms[kMostParts + 1];
  double step[2 * kSteps + 1][2];  // exp(j / 256) - 1 for |j| <= kSteps, in pairs
};
inline Tables made_tables() {
  Tables t{};
  Ex<double, kMostParts> f = number<double, kMostParts>(1.0);
  for (int k = 1; k < 64; ++k) {
    const Ex<double, kMostParts> r = reciprocal<double, kMostParts>(number<double, kMostParts>(double(k)));
    f = f * r;
    for (int i = 0; i < kMostParts; ++i) {
      if (k < 16) t.inverse[k][i] = r[i];
      t.factorial[k][i] = f[i];
    }
  }
  for (int w = 1; w <= kMostParts; ++w) {  // for |r| < 0.6, in the manner of [B]
    const double bits = 53.0 * w + 8.0;
    int n = 1;
    t.halvings[w] = int(0.7 * std::sqrt(bits) + 0.5);
    double sum = 1.0;  // log2 (n + 1)!
    while (n * (t.halvings[w] + 0.7) + sum < bits) sum += std::log2(double(++n + 1));
    t.terms[w] = n;
  }
  for (int j = -Tables::kSteps; j <= Tables::kSteps; ++j) {
    const Ex<double, 3> r = number<double, 3>(j / 256.0);
    Ex<double, 3> s = number<double, 3>(t.factorial[40]);
    for (int k = 39; k > 0; --k) s = s * r + number<double, 3>(t.factorial[k]);
    const Ex<double, 3> e = s * r;
    const DD<double> d = fast_two_sum<double>(e[0], e[1] + e[2]);
    t.step[j + Tables::kSteps][0] = d.hi;
    t.step[j + Tables::kSteps][1] = d.lo;
  }
  return t;
}
#if defined(__CUDACC__)
static __device__ Tables tables_of_gpu;  // cuda/multifloat.cu copies the host's there
#endif
HYPGEO_FN const Tables& tables() {
#if defined(__CUDA_ARCH__)
  return tables_of_gpu;
#else
  static const Tables t = made_tables();
  return t;
#endif
}

// The sum of c_k r^(k - 1) for k = 1 ... n, |r| < 2^-bits: the late terms with few parts.
template <class V, int W, int w, int M>
HYPGEO_HD Ex<V, w> horner(const Ex<V, M>& r, const double (*c)[kMostParts], int step, double bits, int& k) {
  Ex<V, w> s;
  if constexpr (w == 1) {
    s = number<V, 1>(c[step * k][0]);
  } else {
    s = to<w>(horner<V, W, w - 1, M>(r, c, step, bits, k));
  }
  const Ex<V, w> x = to<w>(r);
  const double least = w == W ? 1.0 : 1.0 + (53.0 * (W - w) + 8.0) / bits;
  while (k > least) {
    --k;
    s = s * x + number<V, w>(c[step * k]);
  }
  return s;
}
template <class V, int W>
HYPGEO_HD Ex<V, W> series(const Ex<V, W>& r, const double (*c)[kMostParts], int step, double bits, int n) {
  return horner<V, W, W, W>(r, c, step, bits, n);
}

// exp(r) - 1, relatively accurate, |r| < 0.6 (0, or beyond kTiny): (1 + e)^2 - 1 = 2 e + e^2 after the series.  For two
// parts from exp(j / 256) - 1 = t: p + t p + t with p = exp(r - j / 256) - 1.  p has 5 u^2 and its series' 1, the sums
// 3 each at most, t 1/2: 6.2 u^2 where j = 0, 11.2 where j = -1 and t is as large as p, 4 from |j| = 5 on.
template <class V, int W>
HYPGEO_MF Ex<V, W> expm1_core(Ex<V, W> r) {
  const Tables& c = tables();
  if constexpr (W == 2) {
    const V j = nearest_integer<V>(256.0 * r[0]);
    Ex<V, 2> t{};
    for (int l = 0; l < lanes_of<V>; ++l) {
      const double* at = c.step[int(lane<V>(j, l)) + Tables::kSteps];
      set_lane<V>(t[0], l, at[0]);
      set_lane<V>(t[1], l, at[1]);
    }
    const Ex<V, 2> s = of<V>(two_sum<V>(r[0] - j * 0x1p-8, r[1]));
    const Ex<V, 2> p = s * series<V, 2>(s, c.factorial, 1, 9.0, 10);
    return plus<2>(t, p + t * p);
  }
  const int h = c.halvings[W];
  r = times(r, std::ldexp(1.0, -h));
  Ex<V, W> e = r * series<V, W>(r, c.factorial, 1, h + 0.7, c.terms[W]);
  for (int i = 0; i < h; ++i) e = times(e, 2.0) + e * e;
  return e;
}

// x + k log 2, whatever cancels; |k| < 2^12, an integer.  Two parts: but for the last sum, roundings are of order u^3:
// u^2 of the result.
template <class V, int W>
HYPGEO_MF Ex<V, W> plus_log_two(const Ex<V, W>& x, V k) {
  if constexpr (W == 2) {
    const DD<V> p = two_prod<V>(k, splat<V>(log_two()[0])), q = two_prod<V>(k, splat<V>(log_two()[1]));
    const DD<V> s = two_sum<V>(x[0], p.hi), t = two_sum<V>(x[1], p.lo), v = two_sum<V>(t.hi, q.hi);
    const DD<V> w = two_sum<V>(s.lo, v.hi), top = two_sum<V>(s.hi, w.hi);
    return of<V>(two_sum<V>(top.hi, top.lo + (w.lo + ((t.lo + v.lo) + (q.lo + k * log_two()[2])))));
  } else {
    V t[3 * W + 2];
    for (int i = 0; i < W; ++i) t[i] = x[i];
    for (int i = 0; i <= W; ++i) {
      const DD<V> p = two_prod<V>(k, splat<V>(log_two()[i]));
      t[W + 2 * i] = p.hi;
      t[W + 2 * i + 1] = p.lo;
    }
    return settled<W>(t);
  }
}

// m in 0.7 ... 1.42; |x| > 2000 counts as 2000.  Two parts: e 1.4 u^2 of m, r 1/4, the sum 1 or less: 2.3 u^2.
template <class V, int W>
HYPGEO_MF Scaled<V, W> exp(const Ex<V, W>& given) {
  const V lead = vmin<V>(vmax<V>(given[0], splat<V>(-2000.0)), splat<V>(2000.0));
  const Ex<V, W> x = select<V, W>(lead == given[0], given, to<W>(Ex<V, 1>{{lead}}));
  const V k = nearest_integer<V>(lead * 1.4426950408889634);
  const Ex<V, W> r = any<V>(k != 0.0) ? plus_log_two<V, W>(x, -k) : x;
  const Mask<V> tiny = vabs<V>(r[0]) < kTiny;
  const Ex<V, W> e = expm1_core<V, W>(select<V, W>(tiny, number<V, W>(0.0), r));
  return {select<V, W>(tiny, r, e) + 1.0, k};
}

template <class V, int W>
HYPGEO_HD Ex<V, W> tiny_part(const Mask<V>& tiny, const Ex<V, W>& x, double factor) {  // x + factor x^2
  const Ex<V, W> y = select<V, W>(tiny, x, number<V, W>(0.0));
  return plus<W>(y, times(y * y, factor));
}

// Two parts: 11.2 u^2 by expm1_core; beyond 1/2 exp's 2.3 u^2, e^x / (e^x - 1) as much, and 2 for the sum: 5.7 u^2.
template <class V, int W>
HYPGEO_MF Scaled<V, W> expm1(const Ex<V, W>& x) {
  const V size = vabs<V>(x[0]);
  const Mask<V> tiny = size < kTiny, small = size < 0.5;
  Scaled<V, W> r{x, V{}};
  if (any<V>(!small)) {
    const Scaled<V, W> e = exp<V, W>(x);
    const Mask<V> up = e.k > 0.0;  // m 2^k - 1 = (m - 2^-k) 2^k
    const V down = vmax<V>(hypgeo::select<V>(up, V{}, e.k), splat<V>(-1000.0));
    const V one = power_of_two<V>(-vmin<V>(hypgeo::select<V>(up, e.k, V{}), splat<V>(1000.0)));
    r.m = plus<W>(times(e.m, power_of_two<V>(down)), Ex<V, 1>{{-one}});
    r.k = hypgeo::select<V>(up, e.k, V{});
  }
  if (any<V>(small)) {
    const Ex<V, W> near = expm1_core<V, W>(select<V, W>(small & !tiny, x, number<V, W>(0.0)));
    r.m = select<V, W>(small, near, r.m);
    r.k = hypgeo::select<V>(small, V{}, r.k);
    if (any<V>(tiny)) r.m = select<V, W>(tiny, tiny_part<V, W>(tiny, x, 0.5), r.m);
  }
  return r;
}

// log(1 + d) for |d| < 0.45, relatively accurate: y of scalar/special.h, then log1p((1 + d) exp(-y) - 1) by its series.
// Two parts: (1 + d) e is as wrong as e, 6.2 to 11.2 u^2 of d near 0, then 4; d e costs 5 and d + e 3 u^2 of
// d^2 / (1 + d), the last sum 1 u^2: 12.3 u^2 at d = 1/512, 8.3 u^2 from 1/64 on.
template <class V, int W>
HYPGEO_MF Ex<V, W> log1p_core(const Ex<V, W>& d) {
  const Mask<V> tiny = vabs<V>(d[0]) < kTiny;
  const Ex<V, W> x = select<V, W>(tiny, number<V, W>(0.0), d);
  const V y = hypgeo::log1p(Bounded<V>(x[0], V{})).v;  // within 2^-47
  const Ex<V, W> e = expm1_core<V, W>(to<W>(Ex<V, 1>{{-y}})), xe = x * e;
  Ex<V, W> z;
  if constexpr (W == 2) {
    z = plus<2>(plus<2>(x, e), xe);
  } else {
    V t[3 * W];
    for (int i = 0; i < W; ++i) {
      t[3 * i] = x[i];
      t[3 * i + 1] = e[i];
      t[3 * i + 2] = xe[i];
    }
    z = settled<W>(t);
  }
  Ex<V, W> r = to<W>(Ex<V, 1>{{y}}) + z * series<V, W>(-z, tables().inverse, 1, 47.0, W + 1);
  if (any<V>(tiny)) r = select<V, W>(tiny, tiny_part<V, W>(tiny, d, -0.5), r);
  return r;
}

// k log 2 + log1p(m - 1) with m in 0.7 ... 1.42, x > 0.  Two parts: m - 1 is exact; 12.3 u^2, and 8 where k is not 0.
template <class V, int W>
HYPGEO_MF Ex<V, W> log(const Ex<V, W>& x) {
  Scaled<V, W> s = scaled(x);
  const Mask<V> high = s.m[0] > 1.4142;
  s.m = times(s.m, hypgeo::select<V>(high, splat<V>(0.5), splat<V>(1.0)));
  s.k = hypgeo::select<V>(high, s.k + 1.0, s.k);
  const Ex<V, W> core = log1p_core<V, W>(plus<W>(s.m, Ex<V, 1>{{splat<V>(-1.0)}}));
  return any<V>(s.k != 0.0) ? plus_log_two<V, W>(core, s.k) : core;
}

// Two parts: beyond 0.4 the 2 u^2 of 1 + x are 6 u^2 of its logarithm, which has 7.3 u^2 itself there: 13.3 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> log1p(const Ex<V, W>& x) {  // x > -1
  const Mask<V> small = vabs<V>(x[0]) < 0.4;
  Ex<V, W> r = x;
  if (any<V>(!small)) r = log<V, W>(plus<W>(select<V, W>(small, number<V, W>(0.0), x), Ex<V, 1>{{splat<V>(1.0)}}));
  if (any<V>(small)) r = select<V, W>(small, log1p_core<V, W>(select<V, W>(small, x, number<V, W>(0.0))), r);
  return r;
}

// Two parts: e's 11.2 u^2, half of the quotient's 15, 2 for the sums: 20.6 u^2; beyond 1/2 8.8 u^2.
template <class V, int W>
HYPGEO_MF Scaled<V, W> sinh(const Ex<V, W>& x) {
  const V size = vabs<V>(x[0]);
  const Mask<V> tiny = size < kTiny, small = size < 0.5;
  Scaled<V, W> r{x, V{}};
  if (any<V>(!small)) {
    const Scaled<V, W> e = exp<V, W>(absolute(x));
    r = {signed_as<V, W>(e.m - scaled_by(reciprocal<V, W>(e.m), -2.0 * e.k), x[0]), e.k - 1.0};
  }
  if (any<V>(small)) {
    const Ex<V, W> e = expm1_core<V, W>(select<V, W>(small & !tiny, x, number<V, W>(0.0)));
    r.m = select<V, W>(small, select<V, W>(tiny, x, times(e + e / (e + 1.0), 0.5)), r.m);
    r.k = hypgeo::select<V>(small, V{}, r.k);
  }
  return r;
}
// Two parts: 2.3 u^2 for e^x, 4.8 more for its reciprocal, the sum 1.5; each in its share of cosh x: 5.3 u^2.
template <class V, int W>
HYPGEO_MF Scaled<V, W> cosh(const Ex<V, W>& x) {
  const Scaled<V, W> e = exp<V, W>(absolute(x));
  return {e.m + scaled_by(reciprocal<V, W>(e.m), -2.0 * e.k), e.k - 1.0};
}
// Two parts: expm1's 11.2 u^2, the quotient's 15, 1/2 for e + 2: 27 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> tanh(const Ex<V, W>& x) {
  const Mask<V> tiny = vabs<V>(x[0]) < kTiny;
  const Ex<V, W> e = expm1<V, W>(times(absolute(select<V, W>(tiny, number<V, W>(1.0), x)), -2.0)).m;
  return select<V, W>(tiny, x, signed_as<V, W>(-e / (e + 2.0), x[0]));
}

// log1p(|x| + x^2 / (1 + sqrt(1 + x^2))); log(2 |x|) far out.  Two parts: a relative error of y costs log1p(y), y >= 0,
// no more than itself; here 15 u^2 of the quotient and what its operands have, 17.7 u^2 in all, most at x = 0.34.
template <class V, int W>
HYPGEO_MF Ex<V, W> asinh(const Ex<V, W>& x) {
  const V size = vabs<V>(x[0]);
  const Mask<V> tiny = size < kTiny, far = size > 0x1p260;
  const Ex<V, W> one = number<V, W>(1.0), a = select<V, W>(tiny | far, one, absolute(x)), square = a * a;
  Ex<V, W> r = log1p<V, W>(a + square / (root_of<V, W>(square + one) + one));
  if (any<V>(far)) {
    r = select<V, W>(far, log<V, W>(select<V, W>(far, absolute(x), one)) + number<V, W>(log_two()), r);
  }
  return select<V, W>(tiny, x, signed_as<V, W>(r, x[0]));
}
// With d = x - 1 >= 0: log1p(d + sqrt(d) sqrt(d + 2)); log(2 x) far out.  Two parts: y has 25/8 u^2 twice, 5 for the
// product, 1 and 1 for d and d + 2, 2 for the sum, log1p 12.3: 28.1 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> acosh(const Ex<V, W>& x) {
  const Mask<V> far = x[0] > 0x1p260;
  const Ex<V, W> d = plus<W>(select<V, W>(far, number<V, W>(2.0), x), Ex<V, 1>{{splat<V>(-1.0)}});
  Ex<V, W> r = log1p<V, W>(d + root_of<V, W>(d) * root_of<V, W>(d + 2.0));
  if (any<V>(far)) {
    r = select<V, W>(far, log<V, W>(select<V, W>(far, x, number<V, W>(1.0))) + number<V, W>(log_two()), r);
  }
  return r;
}
// log1p(2 a / (1 - a)) / 2 for a = |x| < 1/4, (log(1 + a) - log(1 - a)) / 2 beyond.  Two parts: 15 u^2 for the
// quotient, 1/2 to 1 for 1 - a, log1p's 12.3: 28 u^2; beyond 15.7 u^2.
template <class V, int W>
HYPGEO_MF Ex<V, W> atanh(const Ex<V, W>& x) {
  const V size = vabs<V>(x[0]);
  const Mask<V> tiny = size < kTiny, small = size < 0.25;
  const Ex<V, W> a = absolute(x);
  Ex<V, W> r = x;
  if (any<V>(!small)) {
    const Ex<V, W> b = select<V, W>(small, number<V, W>(0.5), a);
    const Ex<V, 1> one{{splat<V>(1.0)}};
    r = times(log<V, W>(plus<W>(one, b)) - log<V, W>(plus<W>(one, -b)), 0.5);
  }
  if (any<V>(small & !tiny)) {
    const Ex<V, W> b = select<V, W>(small & !tiny, a, number<V, W>(0.125));
    r = select<V, W>(small, times(log1p<V, W>(times(b, 2.0) / (-b + 1.0)), 0.5), r);
  }
  return select<V, W>(tiny, x, signed_as<V, W>(r, x[0]));
}

// x = r + q pi / 2 with |r| < 0.8; q modulo 4.  pi / 2 ends where q times the rest is 2^(1 - 53 (2 W + 1)), or with the
// exponents of float64.
template <class V, int W>
HYPGEO_MF Ex<V, W> reduced(const Ex<V, W>& x, V& quarters) {
  constexpr int kRest = 22, kDigits = 20;
  V t[kRest + 2 * kDigits] = {};
  for (int i = 0; i < W; ++i) t[i] = x[i];
  quarters = V{};
  for (int step = 0; step < 30; ++step) {
    V q{};
    double most = 0.0;
    for (int i = 0; i < lanes_of<V>; ++i) {
      const double r = lane<V>(t[0], i), turns = std::fabs(r) > 0.7854 ? std::nearbyint(r * 0.6366197723675814) : 0.0;
      set_lane<V>(q, i, turns);
      double now = std::fmod(lane<V>(quarters, i) + std::fmod(turns, 4.0), 4.0);
      set_lane<V>(quarters, i, now < 0.0 ? now + 4.0 : now);
      most = std::fabs(turns) > most ? std::fabs(turns) : most;
    }
    if (most == 0.0) break;
    const int want = std::ilogb(most) / 53 + 2 * W + 2, digits = want < kDigits ? want : kDigits;
    for (int i = 0; i < digits; ++i) {  // q 2^-60, lest two_prod overflow
      const DD<V> p = two_prod<V>(-0x1p-60 * q, splat<V>(0x1p60 * quarter_turn()[i]));
      t[kRest + 2 * i] = p.hi;
      t[kRest + 2 * i + 1] = p.lo;
    }
    settle<V>(t, kRest + 2 * digits);
    for (int i = kRest; i < kRest + 2 * kDigits; ++i) t[i] = V{};
  }
  Ex<V, W> r{};
  for (int i = 0; i < W; ++i) r[i] = t[i];
  return r;
}
// With c = cos h - 1 from its series, c(2 h) = 2 c (c + 2); the sine is sqrt(-c (c + 2)).
template <class V, int W>
HYPGEO_MF Ex<V, W> sin(const Ex<V, W>& x, bool cosine) {
  const Tables& constant = tables();
  V q{};
  const Ex<V, W> r = reduced<V, W>(x, q);
  if (cosine) q = hypgeo::select<V>(q == 3.0, V{}, q + 1.0);  // cos x = sin(x + pi / 2)
  const Mask<V> tiny = vabs<V>(r[0]) < kTiny, swap = (q == 1.0) | (q == 3.0);
  const int halvings = constant.halvings[W];
  const Ex<V, W> h = times(select<V, W>(tiny, number<V, W>(0.0), r), std::ldexp(1.0, -halvings)), square = -(h * h);
  Ex<V, W> c = square * series<V, W>(square, constant.factorial, 2, 2.0 * halvings, constant.terms[W] / 2 + 1);
  for (int i = 0; i < halvings; ++i) c = times(c * (c + 2.0), 2.0);
  Ex<V, W> s = c + 1.0;
  if (any<V>(!swap)) {
    const Ex<V, W> sine = select<V, W>(tiny, r, signed_as<V, W>(root_of<V, W>(-(c * (c + 2.0))), r[0]));
    s = select<V, W>(swap, s, sine);
  }
  return select<V, W>(q >= 2.0, -s, s);
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
