// One evaluation of an op on kLanes rows, and its pullback, in a number type with or without error bounds: what the CPU and
// CUDA launchers share.  They own the loops over rows and the memory.
#pragma once

#include <cfloat>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../scalar/quick.h"
#include "op.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

using Lanes = Vec<kLanes>;
using LaneMask = Mask<Lanes>;
using Twofold = DD<Lanes>;

// What a row must satisfy to be written as floats of one dtype.
struct Trust {
  bool single;
  // The share of a result's size that its error bound may reach before it is rounded: half an ulp for a value, two for a
  // gradient (an ulp is between 2^-24 and 2^-23 of a float's size, 2^-53 and 2^-52 of a double's).
  double value, gradient;
  double least;  // an error below the smallest subnormal does not show
  double most;   // sizes beyond it are left to arbitrary precision
  double height;  // the smallest normal float
};
template <class T>
constexpr Trust kTrust = sizeof(T) == 4 ? Trust{true, 0x1p-25, 0x1p-23, 0x1p-152, 0x1p126, double(FLT_MIN)}
                                        : Trust{false, 0x1p-54, 0x1p-52, 0.0, 0x1p1000, DBL_MIN};

template <class S>
constexpr bool tracked = requires(S s) { s.e; };

// ---- rows as an op sees them

// Source gives the rows as they stand: raw(j, i), coordinate i of row j in every lane, and u(i) of the upstream gradient.
// R = Lanes: differences are rounded once, an error of 2^-53 that the bounds count.  R = Twofold: they are exact.
template <class Op, class R, class Source>
struct Framed {
  static constexpr int K = Op::rows;
  static constexpr bool twofold = !std::is_same_v<R, Lanes>;
  const Source& source;
  static HYPGEO_HD constexpr bool framed(int j) { return frame_of<Op>(j) != Frame::kPlain; }

  HYPGEO_HD Lanes raw(int j, int64_t i) const { return source.raw(j, i); }
  HYPGEO_HD Lanes upstream(int64_t i) const { return source.u(i); }
  HYPGEO_HD Twofold row(int j, int64_t i) const {  // lo is zero where it is not used
    const Lanes y = raw(j, i);
    if (!framed(j)) return Twofold(y, Lanes{});
    const Lanes x = frame_of<Op>(j) == Frame::kMinusFirst ? -raw(0, i) : raw(0, i);
    if constexpr (twofold) return two_sum<Lanes>(y, x);
    return Twofold(y + x, Lanes{});
  }
};
// A running sum of products in a level's precision.  Twofold: T. Ogita, S. M. Rump, S. Oishi. Accurate sum and dot
// product. SIAM J. Sci. Comput. 26 (2005), Algorithm 5.3.
template <class R>
struct Sum {
  Lanes hi = Lanes{}, lo = Lanes{};
  // of x y, whose factors have low parts where they are framed rows
  HYPGEO_HD void add(Lanes x, Lanes y) {
    if constexpr (std::is_same_v<R, Lanes>) {
      hi = vfma<Lanes>(x, y, hi);
    } else {
      const Twofold q = two_prod<Lanes>(x, y), s = two_sum<Lanes>(hi, q.hi);
      hi = s.hi;
      lo += s.lo + q.lo;
    }
  }
  HYPGEO_HD void add(const Twofold& x, bool x_framed, const Twofold& y, bool y_framed) {
    add(x.hi, y.hi);
    if constexpr (!std::is_same_v<R, Lanes>) {
      if (x_framed) lo = vfma<Lanes>(x.lo, y.hi, lo);
      if (y_framed) lo = vfma<Lanes>(y.lo, x.hi, lo);
    }
  }
  HYPGEO_HD R value() const {
    if constexpr (std::is_same_v<R, Lanes>) {
      return hi;
    } else {
      return two_sum<Lanes>(hi, lo);
    }
  }
};
// What a sum of k products may err, relative to |x||y|: k u in double; twofold, Dot2's k^2 u^2 (Ogita et al., Prop. 5.5) and
// 6 u^2 for low parts.  What underflows is below k 2^-1040, and nothing does unless a product is tiny.
template <class R>
HYPGEO_HD double summing(int64_t k) {
  const double n = double(k) + 4.0;
  return std::is_same_v<R, Lanes> ? 1.01 * n * kU : 2.0 * n * n * kU * kU;
}
template <class R>
HYPGEO_HD double underflow(int64_t k) {
  return std::is_same_v<R, Lanes> ? 0.0 : (double(k) + 4.0) * 0x1p-1040;
}

// A length that its square does not exceed, also where that underflowed.
template <class R>
HYPGEO_HD Lanes longest(const Bounded<R>& square) {
  return rough_root<Lanes>(high(square.v) + square.e) * 1.001;
}

template <class Op, class R>
struct Grams {
  static constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  Bounded<R> g[kPairs], square[K];
  Lanes norm[K], plain_norm[K];  // of the framed rows, of the rows as they stand

  template <class Source>
  HYPGEO_HD Grams(const Framed<Op, R, Source>& rows, int64_t k) {
    Sum<R> sum[kPairs], own[K];
    Bits<Lanes> any[K], any_own[K];
    for (int j = 0; j < K; ++j) any[j] = any_own[j] = Bits<Lanes>{};
    for (int64_t i = 0; i < k; ++i) {
      Twofold x[K];
      int p = 0;
#pragma GCC unroll 3
      for (int b = 0; b < K; ++b) {
        x[b] = rows.row(b, i);
        if constexpr (rows.twofold) any[b] |= to_bits<Lanes>(x[b].hi);
        if (rows.framed(b)) {
          const Lanes y = rows.raw(b, i);
          if constexpr (rows.twofold) any_own[b] |= to_bits<Lanes>(y);
          own[b].add(y, y);
        }
#pragma GCC unroll 3
        for (int a = 0; a <= b; ++a, ++p) sum[p].add(x[a], rows.framed(a), x[b], rows.framed(b));
      }
    }
    for (int j = 0; j < K; ++j) norm[j] = rough_root<Lanes>(sum[j * (j + 1) / 2 + j].hi) * 1.001;
    const Lanes share = splat<Lanes>(summing<R>(k)), least = splat<Lanes>(underflow<R>(k));
    for (int b = 0, p = 0; b < K; ++b) {
      for (int a = 0; a <= b; ++a, ++p) {
        Lanes e = share * (norm[a] * norm[b]);
        if constexpr (rows.twofold) {  // an exactly zero row is exactly so
          e += select<Lanes>(((any[a] << 1) == 0) | ((any[b] << 1) == 0), Lanes{}, least);
        }
        g[p] = Bounded<R>(sum[p].value(), e);
      }
    }
    for (int j = 0; j < K; ++j) {
      square[j] = g[j * (j + 1) / 2 + j];
      norm[j] = plain_norm[j] = longest(square[j]);
      if (!rows.framed(j)) continue;
      Lanes e = share * own[j].hi;
      if constexpr (rows.twofold) e += select<Lanes>((any_own[j] << 1) == 0, Lanes{}, least);
      square[j] = Bounded<R>(own[j].value(), e);
      plain_norm[j] = longest(square[j]);
    }
  }
};

// sum of a[j] times row j at coordinate i, unrounded
template <class Op, class R, class Source, class S>
HYPGEO_HD R combined(const Framed<Op, R, Source>& rows, const S* a, int64_t i) {
  if constexpr (std::is_same_v<R, Lanes>) {
    Lanes sum = a[0].v * rows.row(0, i).hi;
#pragma GCC unroll 3
    for (int j = 1; j < Op::rows; ++j) sum = vfma<Lanes>(a[j].v, rows.row(j, i).hi, sum);
    return sum;
  } else {
    Lanes hi = Lanes{}, lo = Lanes{};
#pragma GCC unroll 3
    for (int j = 0; j < Op::rows; ++j) {
      const Twofold x = rows.row(j, i), p = two_prod<Lanes>(a[j].v.hi, x.hi);
      Lanes low = vfma<Lanes>(a[j].v.lo, x.hi, p.lo);
      if (rows.framed(j)) low = vfma<Lanes>(a[j].v.hi, x.lo, low);
      const Twofold s = j ? two_sum<Lanes>(hi, p.hi) : Twofold(p.hi, Lanes{});
      hi = s.hi;
      lo += s.lo + low;
    }
    return Twofold(hi, lo);
  }
}
// sum + a x
HYPGEO_HD Lanes plus_term(Lanes sum, Lanes a, Lanes x) { return vfma<Lanes>(a, x, sum); }
HYPGEO_HD Twofold plus_term(Twofold sum, Twofold a, Lanes x) {
  const Twofold q = two_prod<Lanes>(a.hi, x), s = two_sum<Lanes>(sum.hi, q.hi);
  return Twofold(s.hi, sum.lo + (s.lo + vfma<Lanes>(a.lo, x, q.lo)));
}
HYPGEO_HD Lanes total(Lanes x) { return x; }
HYPGEO_HD Lanes total(Twofold x) { return x.hi + x.lo; }
HYPGEO_HD Lanes rest(Lanes x, Lanes near) { return x - near; }
HYPGEO_HD Lanes rest(Twofold x, Lanes near) { return (x.hi - near) + x.lo; }

// To float and back.  By intrinsics where there are some: g++ 12 at -O3 takes a loop of such conversions for the identity.
HYPGEO_HD Lanes rounded(Lanes x, bool single) {
  if (!single) return x;
#if defined(__CUDACC__)
  return double(float(x));
#elif defined(__AVX512F__)
  return Lanes(_mm512_cvtps_pd(_mm512_cvtpd_ps(__m512d(x))));
#elif defined(__AVX2__)
  return Lanes(_mm256_cvtps_pd(_mm256_cvtpd_ps(__m256d(x))));
#elif defined(__SSE2__)
  return Lanes(_mm_cvtps_pd(_mm_cvtpd_ps(__m128d(x))));
#else
  for (int l = 0; l < kLanes; ++l) {
    const volatile float near = float(lane<Lanes>(x, l));
    set_lane<Lanes>(x, l, double(near));
  }
  return x;
#endif
}

// What the arithmetic of a combination itself may err, relative to the sum of its terms' sizes.
template <class Op, class R>
constexpr double kCombining = std::is_same_v<R, Lanes> ? (Op::rows + 2) * kU : (Op::rows + 4) * 8 * kU * kU;

template <class M>
HYPGEO_HD unsigned bits(const M& m) {
  if constexpr (std::is_integral_v<M>) {
    return m ? 1u : 0u;
#if defined(__AVX512DQ__)
  } else if constexpr (sizeof(M) == 64) {
    return _mm512_movepi64_mask(__m512i(m));
#endif
#if defined(__AVX2__)
  } else if constexpr (sizeof(M) == 32) {
    return unsigned(_mm256_movemask_pd(__m256d(m)));
#endif
  } else {
    unsigned r = 0;
    for (int l = 0; l < kLanes; ++l) r |= unsigned(m[l] & 1) << l;
    return r;
  }
}

// ---- one level

// What the levels know of kLanes rows beside their Source.
struct Block {
  int64_t k;
  Lanes odd[3], number, c;
  Lanes odd_grad, time_grad;  // backward: what flows into Out::odd and Out::time
};

template <class Op, class S>
HYPGEO_HD In<S, Op::rows> inputs(const Block& block, const Grams<Op, decltype(S::v)>& grams) {
  using R = decltype(S::v);
  In<S, Op::rows> in;
  for (int p = 0; p < Grams<Op, R>::kPairs; ++p) in.gram[p] = S(grams.g[p].v, grams.g[p].e);
  for (int j = 0; j < Op::rows; ++j) {
    in.square[j] = S(grams.square[j].v, grams.square[j].e);
    if (reads_odd(layout_in<Op>(j))) in.odd[j] = S(R(block.odd[j]), Lanes{});
  }
  if constexpr (Op::number) in.number = S(R(block.number), Lanes{});
  in.c = S(R(block.c), Lanes{});
  return in;
}

// Rows for which double is known to suffice where the data are floats: points at a normalised distance of up to about 7
// (ball) and 4 (hyperboloid), heights and lengths within a range whose products do not overflow.  A formula loses at most
// e^(4 radius) = 2^20 there, which leaves 2^-33 of relative error before a few dozen roundings, beside the 2^-25 asked for.
template <class Op, class S>
HYPGEO_HD LaneMask ordinary(const In<S, Op::rows>& in) {
  // where nothing underflows (float rows cannot, in double); exactly zero rows go on to the next level
  LaneMask m = (total(in.c.v) < splat<Lanes>(0x1p60)) & (total(in.c.v) > splat<Lanes>(0x1p-60));
  for (int j = 0; j < Op::rows; ++j) {
    const Layout l = layout_in<Op>(j);
    const Lanes size = total(in.square[j].v), scaled = total(in.c.v) * size;
    if constexpr (!std::is_same_v<decltype(S::v), Lanes>) m &= (size > 0x1p-900) & (total(in.g(j, j).v) > 0x1p-900);
    if (in_ball(l)) {
      Lanes all = scaled;
      if (has_last(l)) all += total(in.c.v) * total(in.odd[j].v) * total(in.odd[j].v);
      m &= all < 1.0 - 0x1p-10;
    } else if (l == Layout::kLorentzPoint || l == Layout::kLorentzPointLast) {
      m &= scaled < 0x1p9;
    } else {
      m &= size < 0x1p80;
    }
    if (reads_odd(l)) m &= vabs<Lanes>(total(in.odd[j].v)) < 0x1p40;
    if (l == Layout::kHalfPoint) m &= total(in.odd[j].v) > 0x1p-40;
  }
  if constexpr (Op::number) m &= vabs<Lanes>(total(in.number.v)) < 0x1p10;
  if constexpr (requires { Op::calm(in); }) m &= Op::calm(in);
  return m;
}
// How much less than the result times the upstream gradient a derivative in c or in the number, times its argument, may be
// for the quick level to give it where the data are floats; infinite where it may not.  A formula's parts grow with the
// square of the largest 1 / gap or cosh^2 among the rows; what the derivative is summed from is known to 2^-48 of them.
template <class Op, class S>
HYPGEO_HD Lanes least_share(const In<S, Op::rows>& in) {
  const Lanes one = splat<Lanes>(1.0);
  Lanes growth = one;
  LaneMask m = total(in.c.v) > 0.0;
  for (int j = 0; j < Op::rows; ++j) {
    const Layout l = layout_in<Op>(j);
    const Lanes odd = reads_odd(l) ? vabs<Lanes>(total(in.odd[j].v)) : Lanes{};
    const Lanes scaled = total(in.c.v) * (total(in.square[j].v) + odd * odd);
    if (in_ball(l)) {
      m &= scaled < 1.0 - 0x1p-5;
      growth = vmax<Lanes>(growth, reciprocal<Lanes>(select<Lanes>(scaled < 1.0 - 0x1p-5, 1.0 - scaled, one)));
    } else if (l == Layout::kLorentzPoint || l == Layout::kLorentzPointLast) {
      m &= scaled < 0x1p5;
      growth = vmax<Lanes>(growth, 1.0 + scaled);
    } else if (l == Layout::kHalfPoint) {
      m &= (scaled < 0x1p6) & (odd > 0x1p-3);
      growth = vmax<Lanes>(growth, splat<Lanes>(0x1p5));
    } else {
      if constexpr (!requires { Op::calm(in); }) m &= scaled < 6.0;
      growth = vmax<Lanes>(growth, splat<Lanes>(0x1p2));
    }
  }
  if constexpr (Op::number) m &= vabs<Lanes>(total(in.number.v)) < 2.0;
  return select<Lanes>(m, 0x1p-24 * growth * growth, splat<Lanes>(DBL_MAX));
}
// What such a formula may err, relative to the sum of the sizes of a combination's terms: as above in double; in twofold
// double the algebra has 2^-80 left, and the elementary functions 2^-62.
template <class R>
constexpr double kQuick = std::is_same_v<R, Lanes> ? 0x1p-37 : 0x1p-60;

// Evaluates the lanes in `want`, calls put(column, value) for every column of the result, and returns the lanes it can
// vouch for.
template <class Op, class S, class Source>
struct Value {
  using R = decltype(S::v);
  static constexpr int K = Op::rows;
  const Block& block;
  const Framed<Op, R, Source> rows;
  const Grams<Op, R> grams;
  const In<S, K> in;
  Out<S, K> out;

  HYPGEO_HD Value(const Block& b, const Source& source)
      : block(b), rows{source}, grams(rows, b.k), in(inputs<Op, S>(b, grams)) {}
  // Lanes where the level may be used at all.
  HYPGEO_HD unsigned fits(unsigned want) const {
    if constexpr (tracked<S>) return want;
    return want & bits(ordinary<Op>(in));
  }
  HYPGEO_HD void evaluate() { out = Op::coef(in); }
  template <class Put>
  HYPGEO_HD unsigned write(const Trust& trust, unsigned want, const Put& put) const {
    const int64_t k = block.k;
    if constexpr (Op::out == Layout::kNumber) {
      const Lanes value = total(out.odd.v), size = vabs<Lanes>(value);
      put(0, value);
      if constexpr (tracked<S>) want &= bits(out.odd.e <= size * trust.value + trust.least);
      return want & bits(size < trust.most);
    } else {
      Lanes size2 = Lanes{}, terms = Lanes{}, error = Lanes{};
      for (int j = 0; j < K; ++j) {
        if constexpr (tracked<S>) error = vfma<Lanes>(out.a[j].e, grams.norm[j], error);
        terms = vfma<Lanes>(vabs<Lanes>(total(out.a[j].v)), grams.norm[j], terms);
      }
      error = vfma<Lanes>(splat<Lanes>(tracked<S> ? kCombining<Op, R> : kQuick<R>), terms, error);
      for (int64_t i = 0; i < k; ++i) {
        const Lanes v = total(combined(rows, out.a, i));
        size2 = vfma<Lanes>(v, v, size2);
        put(first_column(Op::out) + i, v);
      }
      Lanes whole = rough_root<Lanes>(size2) * 0.999;
      if constexpr (has_time(Op::out) || has_last(Op::out)) {
        const Lanes v = total(out.odd.v);
        whole += vabs<Lanes>(v);
        put(odd_column(Op::out, k), v);
      }
      if constexpr (Op::out == Layout::kLorentzPointLast) {
        const Lanes v = total(out.time.v);
        whole += vabs<Lanes>(v);
        put(0, v);
      }
      // In the coordinates that are alike the error is held against the whole vector.
      LaneMask good = (error <= whole * trust.value + trust.least) & (whole < trust.most);
      if constexpr (has_time(Op::out) || has_last(Op::out)) {
        // a point's height is a size in its own right; other odd coordinates are one among others
        const Lanes v = total(out.odd.v), measure = Op::out == Layout::kHalfPoint ? vabs<Lanes>(v) : whole;
        if constexpr (tracked<S>) good &= out.odd.e <= measure * trust.value + trust.least;
        if constexpr (Op::out == Layout::kHalfPoint) good &= v >= trust.height;
      }
      if constexpr (tracked<S> && Op::out == Layout::kLorentzPointLast) good &= out.time.e <= whole * trust.value;
      return want & bits(good);
    }
  }
};
template <class Op, class S, class Source, class Put>
HYPGEO_HD unsigned forward_level(const Block& block, const Source& source, const Trust& trust, unsigned want, const Put& put) {
  Value<Op, S, Source> value(block, source);
  want = value.fits(want);
  if (!want) return 0;
  value.evaluate();
  return value.write(trust, want, put);
}

// An op whose number may be a small difference of large ones says so, and has its bound tracked always.
template <class Op>
constexpr bool cancels = requires { Op::cancels; };
// Where the instruction set is the oldest there is, twofold rows have one level only: half the compilation.
template <class Op, class R>
using FirstLevel =
    std::conditional_t<cancels<Op> || (kLanes == 2 && !std::is_same_v<R, Lanes>), Bounded<R>, Quick<R>>;
template <class T>
using Working = std::conditional_t<sizeof(T) == 4, Lanes, Twofold>;

// ---- the pullback, for every op alike

// Which gradients are asked for; those that are numbers come back here.
struct Gradients {
  bool row[3] = {false, false, false}, wants_number = false, wants_c = false;
  Lanes number, c;
};

// With u the upstream gradient, h_j = <u, row_j> and adjoints from the tape, the gradient in framed row j is
//   a_j u + sum_i w_ji row_i,   w_jj = 2 adjoint(g_jj),  w_ji = adjoint(g_ji),
// and that in a row itself follows from the frames.
// Calls put(argument, column, value); tape and adjoint (Tape<S>::kMost) are the caller's.
template <class Op, class S, class Source, class Put>
HYPGEO_HD unsigned backward_level(const Block& block, const Source& source, const Trust& trust, unsigned want,
                                  Gradients& to, Tape<S>& tape, S* adjoint, const Put& put) {
  using R = decltype(S::v);
  constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  const int64_t k = block.k;
  constexpr bool row_out = Op::out != Layout::kNumber;
  const Framed<Op, R, Source> rows{source};
  const Grams<Op, R> grams(rows, k);
  const In<S, K> plain = inputs<Op, S>(block, grams);
  if constexpr (tracked<S>) {
    // a square that underflowed to zero is not one: formulas select on zero
    for (int j = 0; j < K; ++j) {
      want &= bits((total(plain.g(j, j).v) != 0.0) | (plain.g(j, j).e == 0.0));
      want &= bits((total(plain.square[j].v) != 0.0) | (plain.square[j].e == 0.0));
    }
  } else {
    LaneMask m = ordinary<Op>(plain);
    // between points that all but coincide, or lie all but at the origin, derivatives are small differences
    for (int j = 0; j < K; ++j) m &= vmin<Lanes>(total(plain.g(j, j).v), total(plain.square[j].v)) > 0x1p-50;
    if (to.wants_c || to.wants_number) m &= least_share<Op>(plain) < 1.0;
    want &= bits(m);
    if (!want) return 0;
  }

  tape.reset();
  In<Rev<S>, K> in;
  for (int p = 0; p < kPairs; ++p) leaf(in.gram[p], plain.gram[p], tape);
  const auto squares = [&]<int... j>(std::integer_sequence<int, j...>) {
    const auto one = [&]<int i>() {  // known to the compiler early, lest it copy what it could name
      if constexpr (frame_of<Op>(i) != Frame::kPlain) {
        leaf(in.square[i], plain.square[i], tape);
      } else {
        in.square[i] = in.gram[i * (i + 1) / 2 + i];
      }
      if constexpr (reads_odd(layout_in<Op>(i))) leaf(in.odd[i], plain.odd[i], tape);
    };
    (one.template operator()<j>(), ...);
  };
  squares(std::make_integer_sequence<int, K>());
  if constexpr (Op::number) leaf(in.number, plain.number, tape);
  leaf(in.c, plain.c, tape);
  const Out<Rev<S>, K> out = Op::coef(in);
  tape.clear(adjoint);

  Lanes unorm = Lanes{};
  if constexpr (row_out) {
    // <u, row_j>, with their bounds
    Sum<R> h[K];
    Lanes u2 = Lanes{};
    for (int64_t i = 0; i < k; ++i) {
      const Lanes u = rows.upstream(i);
      u2 = vfma<Lanes>(u, u, u2);
#pragma GCC unroll 3
      for (int j = 0; j < K; ++j) h[j].add(rows.row(j, i), rows.framed(j), Twofold(u, Lanes{}), false);
    }
    unorm = rough_root<Lanes>(u2) * 1.001;
    for (int j = 0; j < K; ++j) {
      const Lanes size = grams.norm[j] * unorm;
      const Lanes e = size * summing<R>(k) + select<Lanes>(size == Lanes{}, Lanes{}, splat<Lanes>(underflow<R>(k)));
      tape.flow(adjoint, out.a[j].id, S(h[j].value(), e));
    }
  }
  const auto seed = [&](const Rev<S>& node, Lanes value) {
    tape.flow(adjoint, node.id, S(R(value), Lanes{}));
  };
  if constexpr (!row_out || has_time(Op::out) || has_last(Op::out)) seed(out.odd, block.odd_grad);
  if constexpr (Op::out == Layout::kLorentzPointLast) seed(out.time, block.time_grad);
  tape.sweep(adjoint);

  // m[r][0..K): what of framed row j, m[r][K]: what of u, goes into the gradient of argument r
  S m[K][K + 1];
  for (int b = 0, p = 0; b < K; ++b) {
    for (int a = 0; a <= b; ++a, ++p) {
      const S g = tape.arrived(adjoint, in.gram[p].id);
      m[a][b] = m[b][a] = a == b ? 2.0 * g : g;
    }
  }
  for (int j = 0; j < K; ++j) m[j][K] = row_out ? out.a[j].v : S(0.0);
  Lanes merged[K + 1];  // sizes that a sum of several has lost
  for (int i = 0; i <= K; ++i) merged[i] = Lanes{};
  for (int j = 1; j < K; ++j) {  // row j = argument j -/+ argument 0
    if (!rows.framed(j)) continue;
    for (int i = 0; i <= K; ++i) merged[i] += vabs<Lanes>(total(m[0][i].v)) + vabs<Lanes>(total(m[j][i].v));
    for (int i = 0; i <= K; ++i) m[0][i] = frame_of<Op>(j) == Frame::kMinusFirst ? m[0][i] - m[j][i] : m[0][i] + m[j][i];
  }

  for (int r = 0; r < K; ++r) {
    if (!to.row[r]) continue;
    Lanes error = Lanes{}, terms = Lanes{}, size2 = Lanes{}, residue = Lanes{}, along = Lanes{};
    for (int j = 0; j < K; ++j) {
      if constexpr (tracked<S>) error = vfma<Lanes>(m[r][j].e, grams.norm[j], error);
      terms = vfma<Lanes>(vabs<Lanes>(total(m[r][j].v)), grams.norm[j], terms);
      if (!tracked<S> && r == 0) terms = vfma<Lanes>(merged[j], grams.norm[j], terms);
    }
    if (!tracked<S> && r == 0) terms = vfma<Lanes>(merged[K], unorm, terms);
    const S own = rows.framed(r) ? 2.0 * tape.arrived(adjoint, in.square[r].id) : S(0.0);  // what of the row as it stands
    if constexpr (tracked<S>) {
      error = vfma<Lanes>(own.e, grams.plain_norm[r], error);
      error = vfma<Lanes>(m[r][K].e, unorm, error);
    }
    terms = vfma<Lanes>(vabs<Lanes>(total(own.v)), grams.plain_norm[r], terms);
    terms = vfma<Lanes>(vabs<Lanes>(total(m[r][K].v)), unorm, terms);
    error = vfma<Lanes>(splat<Lanes>(tracked<S> ? 2.0 * kCombining<Op, R> : kQuick<R>), terms, error);
    for (int64_t i = 0; i < k; ++i) {
      auto v = combined(rows, m[r], i);
      if (rows.framed(r)) v = plus_term(v, own.v, rows.raw(r, i));
      if constexpr (row_out) v = plus_term(v, m[r][K].v, rows.upstream(i));
      const Lanes whole = total(v);
      size2 = vfma<Lanes>(whole, whole, size2);
      if (has_time(layout_in<Op>(r))) {
        residue = vfma<Lanes>(rows.raw(r, i), rest(v, rounded(whole, trust.single)), residue);
        along = vfma<Lanes>(rows.raw(r, i), whole, along);
      }
      put(r, first_column(layout_in<Op>(r)) + i, whole);
    }
    Lanes size = rough_root<Lanes>(size2) * 0.999;
    if (has_last(layout_in<Op>(r))) size += vabs<Lanes>(total(tape.arrived(adjoint, in.odd[r].id).v));
    Lanes stretch = splat<Lanes>(1.0);
    if (layout_in<Op>(r) == Layout::kLorentzPoint || layout_in<Op>(r) == Layout::kLorentzPointLast) {
      // Time takes what the rounding of the spatial entries left out, since a projection to the tangent space multiplies
      // the part along x by 1 + c|x|^2: the mere rounding of a correct gradient would come back e^(2 radius) times larger.
      const Lanes xx = total(plain.square[r].v);
      put(r, 0, residue * vroot<Lanes>(block.c * reciprocal<Lanes>(1.0 + block.c * xx)).root);
      if (!row_out) {
        // what counts is the projected gradient, and its part along x is stretched likewise
        const Lanes norm = rough_root<Lanes>(xx);
        stretch += block.c * xx;
        size += block.c * norm * vmax<Lanes>(Lanes{}, vabs<Lanes>(along) - (double(k) + 8.0) * 0x1p-52 * norm * size);
      }
    } else if (layout_in<Op>(r) == Layout::kLorentzVector) {
      put(r, 0, Lanes{});
    }
    want &= bits((error * stretch <= size * trust.gradient + trust.least) & (size < trust.most));
    if (reads_odd(layout_in<Op>(r))) {
      const S g = tape.arrived(adjoint, in.odd[r].id);
      const Lanes v = total(g.v);
      put(r, odd_column(layout_in<Op>(r), k), v);
      if constexpr (tracked<S>) want &= bits(g.e <= (size + vabs<Lanes>(v)) * trust.gradient + trust.least);
      want &= bits(vabs<Lanes>(v) < trust.most);
    }
  }
  const auto number = [&](Lanes& result, const S& g, Lanes argument) {
    result = total(g.v);
    LaneMask none = splat<Lanes>(1.0) < 0.0;
    if constexpr (!tracked<S> || rows.twofold) {
      Lanes all = vabs<Lanes>(block.odd_grad * total(out.odd.v.v));
      if constexpr (row_out) {
        if constexpr (!has_time(Op::out) && !has_last(Op::out)) all = Lanes{};
        for (int j = 0; j < K; ++j) all += vabs<Lanes>(total(out.a[j].v.v)) * (grams.norm[j] * unorm);
      }
      if constexpr (Op::out == Layout::kLorentzPointLast) all += vabs<Lanes>(block.time_grad * total(out.time.v.v));
      if constexpr (!tracked<S>) {
        want &= bits(vabs<Lanes>(argument * result) >= least_share<Op>(plain) * all);
      } else {
        // that which vanishes for an exactly zero row does so to rounding only
        for (int j = 0; j < K; ++j) none |= (total(plain.g(j, j).v) == 0.0) & (plain.g(j, j).e == 0.0);
        if constexpr (requires { Op::faint; }) none = splat<Lanes>(0.0) < 1.0;
        none &= (vabs<Lanes>(result) <= g.e) & (vabs<Lanes>(argument) * g.e <= 0x1p-52 * all);
        result = select<Lanes>(none, Lanes{}, result);
      }
    }
    // a number's derivative is often a small difference: eight ulps then
    if constexpr (tracked<S>) want &= bits((g.e <= vabs<Lanes>(result) * (4.0 * trust.gradient)) | none);
    want &= bits(vabs<Lanes>(result) < 0x1p1000);
  };
  if constexpr (Op::number) {
    if (to.wants_number) number(to.number, tape.arrived(adjoint, in.number.id), block.number);
  }
  if (to.wants_c) number(to.c, tape.arrived(adjoint, in.c.id), block.c);
  return want;
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
