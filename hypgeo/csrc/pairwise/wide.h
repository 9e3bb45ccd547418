// Full registers of floats or doubles.
#pragma once

#include "../scalar/lanes.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace pairwise {

template <class C>
constexpr int kWide = kLanes * 8 / int(sizeof(C));
template <class C>
using Wide = typename VectorOf<C, kWide<C>>::type;
template <class C>
using Word = std::conditional_t<sizeof(C) == 4, int32_t, int64_t>;
template <class C>
using Words = typename VectorOf<Word<C>, kWide<C>>::type;

using F = Wide<float>;
using D = Wide<double>;

template <class C>
HYPGEO_HD Wide<C> all(C a) {
  return a - Wide<C>{};  // unlike 0 + a, a broadcast and nothing else
}
template <class C>
HYPGEO_HD Wide<C> load(const C* p) {
  Wide<C> r;
  __builtin_memcpy(&r, p, sizeof(r));
  return r;
}
template <class C>
HYPGEO_HD void store(C* p, const Wide<C>& v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

HYPGEO_HD D fma(D a, D b, D c) { return vfma<D>(a, b, c); }
HYPGEO_HD D root(D a) { return vroot<D>(a).root; }
HYPGEO_HD D over(D a, D b) { return a * reciprocal<D>(b); }
#if defined(__AVX512F__)
HYPGEO_HD F fma(F a, F b, F c) { return F(_mm512_fmadd_ps(a, b, c)); }
// One step of Newton's iteration from 14 bits, as in lanes.h: within 2^-27 before the last rounding.  Not for infinity.
HYPGEO_HD F root(F a) {
  const F seed = F(_mm512_maskz_rsqrt14_ps(_mm512_cmp_ps_mask(a, __m512{}, _CMP_NEQ_UQ), a)), g = a * seed;
  return fma(g, fma(-g, 0.5f * seed, all(0.5f)), g);
}
HYPGEO_HD F over(F a, F b) {
  const F seed = F(_mm512_rcp14_ps(b)), r = fma(seed, fma(-b, seed, all(1.0f)), seed);
  return a * r;
}
HYPGEO_HD F narrow(D a, D b) {
  const __m256 low = _mm512_cvtpd_ps(a), high = _mm512_cvtpd_ps(b);
  return F(_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1));
}
HYPGEO_HD D widen(const float* p) { return D(_mm512_cvtps_pd(_mm256_loadu_ps(p))); }
#elif defined(__AVX2__) && defined(__FMA__)
HYPGEO_HD F fma(F a, F b, F c) { return F(_mm256_fmadd_ps(a, b, c)); }
HYPGEO_HD F root(F a) { return F(_mm256_sqrt_ps(a)); }
HYPGEO_HD F narrow(D a, D b) { return F(_mm256_set_m128(_mm256_cvtpd_ps(b), _mm256_cvtpd_ps(a))); }
HYPGEO_HD D widen(const float* p) { return D(_mm256_cvtps_pd(_mm_loadu_ps(p))); }
#else
HYPGEO_HD F fma(F a, F b, F c) {
#if HYPGEO_FMA
  F r;
  for (int l = 0; l < kWide<float>; ++l) r[l] = std::fma(a[l], b[l], c[l]);
  return r;
#else
  return a * b + c;
#endif
}
HYPGEO_HD F root(F a) {
#if defined(__SSE2__)
  return F(_mm_sqrt_ps(a));
#else
  for (int l = 0; l < kWide<float>; ++l) a[l] = std::sqrt(a[l]);
  return a;
#endif
}
HYPGEO_HD F narrow(D a, D b) {
  F r;
  for (int l = 0; l < kLanes; ++l) {
    r[l] = float(a[l]);
    r[l + kLanes] = float(b[l]);
  }
  return r;
}
HYPGEO_HD D widen(const float* p) {
  D r;
  for (int l = 0; l < kLanes; ++l) r[l] = p[l];
  return r;
}
#endif

#if !defined(__AVX512F__)
HYPGEO_HD F over(F a, F b) { return a / b; }
#endif

// The sum of all lanes.
template <class C>
HYPGEO_HD double total(Wide<C> v) {
  double sum = 0.0;
  for (int l = 0; l < kWide<C>; ++l) sum += double(v[l]);
  return sum;
}

// log(1 + v + low) for 0 <= v < 2^100 (float), 2^1000 (double), low a rounding of v, to 2 ulp: k log 2 + log(1 + f),
// 1 + f = 2^-k (1 + v), -1/4 <= f < 1/2, where f = 2^-k v + (2^-k - 1) rounds once.  Near 0, k = 0 and f = v: nothing
// is lost.
// f - f^2/2 + f^3 P(f), P interpolated at Chebyshev nodes: 2^-27.8.
HYPGEO_HD F log1p(F v, F low) {
  const Words<float> exponent = (Words<float>(v + 1.0f) - 0x3f400000) & int32_t(0xff800000);
  const F s = F(0x3f800000 - exponent), f = fma(s, v, s - 1.0f), f2 = f * f;
  constexpr float coef[] = {4.287197e-2f,  -9.5613400e-2f, 1.16806818e-1f,  -1.26393111e-1f, 1.4268306e-1f,
                            -1.66608175e-1f, 2.00001409e-1f, -2.50000567e-1f, 3.33333331e-1f};
  F p = all(coef[0]);
#pragma GCC unroll 8
  for (int i = 1; i < 9; ++i) p = fma(p, f, all(coef[i]));
  const F rest = fma(fma(p, f, all(-0.5f)), f2, fma(s, low, f));
  return fma(__builtin_convertvector(exponent, F), all(float(0.69314718055994531 * 0x1p-23)), rest);
}
// With z = f/(2 + f): log(1 + f) = f - (f^2/2 - z (f^2/2 + R)), R = z^2 Q(z^2), as in fdlibm; Q interpolated at
// Chebyshev nodes on z^2 < 1/25: 2^-60.
HYPGEO_HD D log1p(D v, D low) {
  const Words<double> exponent = (Words<double>(v + 1.0) - 0x3fe8000000000000) & int64_t(0xfff0000000000000);
  const D s = D(0x3ff0000000000000 - exponent), f = fma(s, v, s - 1.0);
  const D k = D((Bits<D>(exponent) >> 52) | 0x4330000000000000) - 0x1p52;  // exponent >= 0
  const D z = over(f, f + 2.0), w = z * z, half = 0.5 * f * f;
  constexpr double coef[] = {0.13604015757124077, 0.13210360485132620, 0.15388834677801915, 0.18181738454723026,
                             0.22222223037807242, 0.28571428567339189, 0.40000000000007800, 0.66666666666666664};
  D q = all(coef[0]);
#pragma GCC unroll 8
  for (int i = 1; i < 8; ++i) q = fma(q, w, all(coef[i]));
  const D rest = f - (half - fma(z, fma(q, w, half), s * low));
  return fma(k, all(0.69314718055994529), fma(k, all(2.3190468138462996e-17), rest));
}

}  // namespace pairwise
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
