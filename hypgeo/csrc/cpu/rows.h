// Every CPU loop over rows: kLanes rows at a time, row index = SIMD lane, in values that carry error bounds.
//
// A row is written when its bound shows it right (kTrust below); else it is redone one level up: double, then twofold
// double for float32 rows, twofold double alone for float64 rows, and Job::slow (arbitrary precision) for what is left.
// A. Ziv. Fast evaluation of elementary mathematical functions with correctly rounded last bit. ACM TOMS 17 (1991).
#pragma once

#include <cfloat>
#include <cstdlib>
#include <memory>
#include <type_traits>
#include <utility>

#include "../gram/op.h"
#include "../scalar/quick.h"
#include "job.h"

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

// Planes of coordinates, one vector of lanes to a coordinate; a thread keeps its own.
struct Scratch {
  Lanes* data = nullptr;
  size_t size = 0;
  Lanes* reserve(size_t planes) {
    if (planes > size) {
      std::free(data);
      size = planes;
      data = static_cast<Lanes*>(std::aligned_alloc(64, (planes * sizeof(Lanes) + 63) / 64 * 64));
    }
    return data;
  }
  ~Scratch() { std::free(data); }
};

template <class S>
constexpr bool tracked = requires(S s) { s.e; };

// ---- the framed rows, in one level

// R = Lanes (differences rounded once: an error of 2^-53 that the bounds count) or Twofold (exact).
template <class Op, class R>
struct Framed {
  static constexpr int K = Op::rows;
  static constexpr bool twofold = !std::is_same_v<R, Lanes>;
  const Lanes* hi[K];
  const Lanes* lo[K];  // of a framed row, twofold only
  static constexpr bool framed(int j) { return Op::frame[j] != Frame::kPlain; }

  // raw: K tables of k planes; spare: room for K - 1 (twofold: 2 (K - 1)) more
  Framed(const Lanes* raw, Lanes* spare, int64_t k) {
    for (int j = 0; j < K; ++j) {
      hi[j] = raw + j * k;
      lo[j] = nullptr;
      if (!framed(j)) continue;
      Lanes *h = spare, *l = spare + k;
      for (int64_t i = 0; i < k; ++i) {
        const Lanes x = Op::frame[j] == Frame::kMinusFirst ? -raw[i] : raw[i];
        if constexpr (twofold) {
          const Twofold w = two_sum(raw[j * k + i], x);
          h[i] = w.hi;
          l[i] = w.lo;
        } else {
          h[i] = raw[j * k + i] + x;
        }
      }
      hi[j] = h;
      lo[j] = l;
      spare += twofold ? 2 * k : k;
    }
  }
};

template <class Op, class R>
struct Grams {
  static constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  static constexpr bool twofold = !std::is_same_v<R, Lanes>;
  Bounded<R> g[kPairs], square[K];
  Lanes norm[K], plain_norm[K];  // of the framed rows, of the rows as they stand

  Grams(const Framed<Op, R>& f, const Lanes* raw, int64_t k) {
    Lanes hi[kPairs], lo[kPairs], own_hi[K], own_lo[K];
    LaneMask any[K];
    for (int p = 0; p < kPairs; ++p) hi[p] = lo[p] = Lanes{};
    for (int j = 0; j < K; ++j) {
      any[j] = LaneMask{};
      own_hi[j] = own_lo[j] = Lanes{};
    }
    for (int64_t i = 0; i < k; ++i) {
      int p = 0;
#pragma GCC unroll 3
      for (int b = 0; b < K; ++b) {
        const Lanes y = f.hi[b][i];
        if constexpr (twofold) any[b] |= LaneMask(y);
        if (f.framed(b)) {
          const Lanes x = raw[b * k + i];
          if constexpr (twofold) {
            const Twofold q = two_prod(x, x), s = two_sum(own_hi[b], q.hi);
            own_hi[b] = s.hi;
            own_lo[b] += s.lo + q.lo;
          } else {
            own_hi[b] = vfma(x, x, own_hi[b]);
          }
        }
#pragma GCC unroll 3
        for (int a = 0; a <= b; ++a, ++p) {
          const Lanes x = f.hi[a][i];
          if constexpr (twofold) {
            const Twofold q = two_prod(x, y), s = two_sum(hi[p], q.hi);
            Lanes low = q.lo;
            if (f.framed(a)) low = vfma(f.lo[a][i], y, low);
            if (f.framed(b)) low = vfma(f.lo[b][i], x, low);
            hi[p] = s.hi;
            lo[p] += s.lo + low;
          } else {
            hi[p] = vfma(x, y, hi[p]);
          }
        }
      }
    }
    for (int j = 0; j < K; ++j) norm[j] = vsqrt(hi[j * (j + 1) / 2 + j]);
    // Sums of k products: k u |x||y| in double; twofold, Dot2's k^2 u^2 |x||y| (Ogita, Rump, Oishi 2005, Prop. 5.5) and
    // 6 u^2 for the low parts of framed rows; what underflows is below k 2^-1068 unless the row is exactly zero.
    const double n = double(k) + 4.0, share = twofold ? 2.0 * n * n * kU * kU : 1.01 * n * kU;
    for (int b = 0, p = 0; b < K; ++b) {
      for (int a = 0; a <= b; ++a, ++p) {
        Lanes e = splat<Lanes>(share) * (norm[a] * norm[b]);
        if constexpr (twofold) {
          const LaneMask zero = ((any[a] << 1) == 0) | ((any[b] << 1) == 0);
          e += zero ? Lanes{} : splat<Lanes>(n * 0x1p-1040);
          g[p] = Bounded<R>(two_sum(hi[p], lo[p]), e);
        } else {
          g[p] = Bounded<R>(hi[p], e);
        }
      }
    }
    for (int j = 0; j < K; ++j) {
      norm[j] = norm[j] * 1.001;
      plain_norm[j] = norm[j];
      square[j] = g[j * (j + 1) / 2 + j];
      if (!f.framed(j)) continue;
      plain_norm[j] = vsqrt(own_hi[j]) * 1.001;
      if constexpr (twofold) {
        square[j] = Bounded<R>(two_sum(own_hi[j], own_lo[j]), splat<Lanes>(share) * own_hi[j] + n * 0x1p-1040);
      } else {
        square[j] = Bounded<R>(own_hi[j], splat<Lanes>(share) * own_hi[j]);
      }
    }
  }
};

// sum of a[j] times row j at coordinate i, unrounded
template <class Op, class R, class S>
HYPGEO_HD auto combined(const Framed<Op, R>& f, const S* a, int64_t i) {
  if constexpr (Framed<Op, R>::twofold) {
    Lanes hi = Lanes{}, lo = Lanes{};
#pragma GCC unroll 3
    for (int j = 0; j < Op::rows; ++j) {
      const Lanes x = f.hi[j][i];
      const Twofold p = two_prod(a[j].v.hi, x);
      Lanes low = vfma(a[j].v.lo, x, p.lo);
      if (f.framed(j)) low = vfma(a[j].v.hi, f.lo[j][i], low);
      if (j == 0) {
        hi = p.hi;
        lo = low;
      } else {
        const Twofold s = two_sum(hi, p.hi);
        hi = s.hi;
        lo += s.lo + low;
      }
    }
    return Twofold(hi, lo);
  } else {
    Lanes sum = a[0].v * f.hi[0][i];
#pragma GCC unroll 3
    for (int j = 1; j < Op::rows; ++j) sum = vfma(a[j].v, f.hi[j][i], sum);
    return sum;
  }
}
// sum + a x
HYPGEO_HD Lanes plus_term(Lanes sum, Lanes a, Lanes x) { return vfma(a, x, sum); }
HYPGEO_HD Twofold plus_term(Twofold sum, Twofold a, Lanes x) {
  const Twofold q = two_prod(a.hi, x), s = two_sum(sum.hi, q.hi);
  return Twofold(s.hi, sum.lo + (s.lo + vfma(a.lo, x, q.lo)));
}
HYPGEO_HD Lanes total(Lanes x) { return x; }
HYPGEO_HD Lanes total(Twofold x) { return x.hi + x.lo; }
HYPGEO_HD Lanes rest(Lanes x, Lanes near) { return x - near; }
HYPGEO_HD Lanes rest(Twofold x, Lanes near) { return (x.hi - near) + x.lo; }

HYPGEO_HD Lanes rounded(Lanes x, bool single) {
  if (!single) return x;
  Lanes r;
  for (int l = 0; l < kLanes; ++l) r[l] = double(float(x[l]));
  return r;
}

// What the arithmetic of a combination itself may err, relative to the sum of its terms' sizes.
template <class Op, class R>
constexpr double kCombining = std::is_same_v<R, Lanes> ? (Op::rows + 2) * kU : (Op::rows + 4) * 8 * kU * kU;

HYPGEO_HD unsigned bits(LaneMask m) {
  unsigned r = 0;
  for (int l = 0; l < kLanes; ++l) r |= unsigned(m[l] & 1) << l;
  return r;
}

// ---- loading and storing: rows to planes and back

// An 8 x 8 block: `rows` in, columns out, in place.  Three rounds of exchanging halves.
template <class W>
HYPGEO_HD void transpose8(W* r) {
  W t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

template <class T>
void load(const Operand& o, int64_t first, int64_t column, int live, int64_t k, Lanes* to) {
  const T* p = static_cast<const T*>(o.data) + first * o.row + column * o.col;
  int64_t step[kLanes];
  for (int l = 0; l < kLanes; ++l) step[l] = (l < live ? l : live - 1) * o.row;  // the tail repeats its last row
  int64_t i = 0;
  if constexpr (kLanes == 8) {
    if (o.col == 1 && k >= 8) {
      typedef T W __attribute__((vector_size(8 * sizeof(T))));
      for (;;) {
        W r[8];
        for (int l = 0; l < 8; ++l) __builtin_memcpy(&r[l], p + step[l] + i, sizeof(W));
        transpose8(r);
        for (int l = 0; l < 8; ++l) to[i + l] = __builtin_convertvector(r[l], Lanes);
        if (i + 8 == k) return;
        i = i + 16 <= k ? i + 8 : k - 8;  // the last block overlaps
      }
    }
  }
  for (; i < k; ++i) {
    Lanes v;
    for (int l = 0; l < kLanes; ++l) v[l] = double(p[step[l] + i * o.col]);
    to[i] = v;
  }
}

template <class T>
Lanes load_one(const Operand& o, int64_t first, int64_t column, int live) {
  Lanes v;
  load<T>(o, first, column, live, 1, &v);
  return v;
}

// Writes the lanes in mask of `width` planes as rows of a contiguous table.
template <class T>
void store(T* to, int64_t first, int64_t width, const Lanes* planes, unsigned mask) {
  T* p = to + first * width;
  int64_t i = 0;
  if constexpr (kLanes == 8) {
    if (width >= 8) {
      typedef T W __attribute__((vector_size(8 * sizeof(T))));
      for (;;) {
        W r[8];
        for (int l = 0; l < 8; ++l) r[l] = __builtin_convertvector(planes[i + l], W);
        transpose8(r);
        if (mask == 0xff) {
          for (int l = 0; l < 8; ++l) __builtin_memcpy(p + l * width + i, &r[l], sizeof(W));
        } else {
          for (int l = 0; l < 8; ++l) {
            if (mask >> l & 1) __builtin_memcpy(p + l * width + i, &r[l], sizeof(W));
          }
        }
        if (i + 8 == width) return;
        i = i + 16 <= width ? i + 8 : width - 8;
      }
    }
  }
  if (mask == (1u << kLanes) - 1) {
    for (; i < width; ++i) {
      for (int l = 0; l < kLanes; ++l) p[l * width + i] = T(planes[i][l]);
    }
    return;
  }
  for (; i < width; ++i) {
    for (int l = 0; l < kLanes; ++l) {
      if (mask >> l & 1) p[l * width + i] = T(planes[i][l]);
    }
  }
}

// ---- one level of a block of rows

// A block of kLanes rows on its way through the levels.
struct Block {
  int64_t k;
  Lanes* planes;           // the rows as they stand, k planes each; behind them room for what the levels make
  Lanes odd[3], number, c;
  Lanes odd_grad, time_grad;  // backward: what flows into Out::odd and Out::time
};

template <class Op, class S>
In<S, Op::rows> inputs(const Block& block, const Grams<Op, decltype(S::v)>& grams) {
  using R = decltype(S::v);
  In<S, Op::rows> in;
  for (int p = 0; p < Grams<Op, R>::kPairs; ++p) in.gram[p] = S(grams.g[p].v, grams.g[p].e);
  for (int j = 0; j < Op::rows; ++j) {
    in.square[j] = S(grams.square[j].v, grams.square[j].e);
    if (reads_odd(Op::in[j])) in.odd[j] = S(R(block.odd[j]), Lanes{});
  }
  if constexpr (Op::number) in.number = S(R(block.number), Lanes{});
  in.c = S(R(block.c), Lanes{});
  return in;
}

// Whether rounded rows lie inside the rim, for the few lanes where that is in doubt.
template <class T>
bool inside(const T* row, int64_t columns, double c) {
  dd sum(0.0);
  for (int64_t i = 0; i < columns; ++i) sum += two_prod(double(row[i]), double(row[i]));
  return (dd(1.0) - sum * c).hi > 1e-30;
}

// Rows for which double is known to suffice where the data are floats: points at a normalised distance of up to about 7
// (ball) and 4 (hyperboloid), heights and lengths within a range whose products do not overflow.  A formula loses at most
// e^(4 radius) = 2^20 there, which leaves 2^-33 of relative error before a few dozen roundings, beside the 2^-25 asked for.
template <class Op, class S>
LaneMask ordinary(const In<S, Op::rows>& in) {
  LaneMask m = in.c.v < 0x1p60;
  for (int j = 0; j < Op::rows; ++j) {
    const Layout l = Op::in[j];
    const Lanes size = in.square[j].v, scaled = in.c.v * size;
    if (in_ball(l)) {
      Lanes all = scaled;
      if (has_last(l)) all += in.c.v * in.odd[j].v * in.odd[j].v;
      m &= all < 1.0 - 0x1p-10;
    } else if (l == Layout::kLorentzPoint || l == Layout::kLorentzPointLast) {
      m &= scaled < 0x1p9;
    } else {
      m &= size < 0x1p80;
    }
    if (reads_odd(l)) m &= vabs(in.odd[j].v) < 0x1p40;
    if (l == Layout::kHalfPoint) m &= in.odd[j].v > 0x1p-40;
  }
  if constexpr (Op::number) m &= vabs(in.number.v) < 0x1p10;
  return m;
}
// What such a formula may err, relative to the sum of the sizes of a combination's terms.
constexpr double kQuick = 0x1p-37;

// Evaluates the lanes in `want` into `result`, one plane to a column; returns those it can vouch for.
template <class Op, class S>
__attribute__((noinline)) unsigned forward_level(const Block& block, const Trust& trust, unsigned want, Lanes* result) {
  using R = decltype(S::v);
  constexpr int K = Op::rows;
  const int64_t k = block.k;
  const Framed<Op, R> rows(block.planes, block.planes + K * k, k);
  const Grams<Op, R> grams(rows, block.planes, k);
  const In<S, K> in = inputs<Op, S>(block, grams);
  if constexpr (!tracked<S>) {
    want &= bits(ordinary<Op>(in));
    if (!want) return 0;
  }
  const Out<S, K> out = Op::coef(in);
  if constexpr (Op::out == Layout::kNumber) {
    result[0] = total(out.odd.v);
    const Lanes size = vabs(result[0]);
    if constexpr (tracked<S>) want &= bits(out.odd.e <= size * trust.value + trust.least);
    return want & bits(size < trust.most);
  } else {
    Lanes size2 = Lanes{}, terms = Lanes{}, error = Lanes{};
    for (int j = 0; j < K; ++j) {
      if constexpr (tracked<S>) error = vfma(out.a[j].e, grams.norm[j], error);
      terms = vfma(vabs(total(out.a[j].v)), grams.norm[j], terms);
    }
    error = vfma(splat<Lanes>(tracked<S> ? kCombining<Op, R> : kQuick), terms, error);
    for (int64_t i = 0; i < k; ++i) {
      const Lanes v = total(combined(rows, out.a, i));
      size2 = vfma(v, v, size2);
      result[first_column(Op::out) + i] = v;
    }
    Lanes whole = vsqrt(size2);
    if constexpr (has_time(Op::out) || has_last(Op::out)) {
      const Lanes v = total(out.odd.v);
      whole += vabs(v);
      result[odd_column(Op::out, k)] = v;
    }
    if constexpr (Op::out == Layout::kLorentzPointLast) {
      const Lanes v = total(out.time.v);
      whole += vabs(v);
      result[0] = v;
    }
    // In the coordinates that are alike the error is held against the whole vector.
    LaneMask good = (error <= whole * trust.value + trust.least) & (whole < trust.most);
    if constexpr (has_time(Op::out) || has_last(Op::out)) {
      // a point's height is a size in its own right; other odd coordinates are one among others
      const Lanes v = total(out.odd.v), measure = Op::out == Layout::kHalfPoint ? vabs(v) : whole;
      if constexpr (tracked<S>) good &= out.odd.e <= measure * trust.value + trust.least;
      if constexpr (Op::out == Layout::kHalfPoint) good &= v >= trust.height;
    }
    if constexpr (tracked<S> && Op::out == Layout::kLorentzPointLast) good &= out.time.e <= whole * trust.value;
    return want & bits(good);
  }
}

// An op whose number may be a small difference of large ones says so, and has its bound tracked always.
template <class Op>
constexpr bool cancels = requires { Op::cancels; };
template <class Op>
using SingleLevel = std::conditional_t<cancels<Op>, Bounded<Lanes>, Quick<Lanes>>;

template <class Op, class T>
void load_block(const Job& job, int64_t first, int live, Block& block) {
  for (int j = 0; j < Op::rows; ++j) {
    load<T>(job.in[j], first, first_column(Op::in[j]), live, job.k, block.planes + j * job.k);
    if (reads_odd(Op::in[j])) block.odd[j] = load_one<T>(job.in[j], first, odd_column(Op::in[j], job.k), live);
  }
  if constexpr (Op::number) block.number = load_one<double>(job.number, first, 0, live);
  block.c = job.c.row ? load_one<double>(job.c, first, 0, live) : splat<Lanes>(*static_cast<const double*>(job.c.data));
}

template <class Op, class T>
void forward_rows(const Job& job, int64_t begin, int64_t end) {
  static thread_local Scratch scratch;
  const int64_t k = job.k, width = columns(Op::out, k);
  Block block{k, scratch.reserve(size_t((3 * Op::rows + 1) * k + 2))};
  Lanes* result = block.planes + 3 * Op::rows * k;
  T* to = static_cast<T*>(job.out);
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    load_block<Op, T>(job, r, live, block);
    const auto take = [&](unsigned sure) {
      store<T>(to, r, width, result, sure);
      if constexpr (in_ball(Op::out)) {
        Lanes size2 = Lanes{};
        for (int64_t i = 0; i < width; ++i) size2 = vfma(result[i], result[i], size2);
        const unsigned edge = sure & bits(block.c * size2 > (sizeof(T) == 4 ? 1.0 - 0x1p-20 : 1.0 - 0x1p-46));
        for (int l = 0; edge >> l; ++l) {
          if ((edge >> l & 1) && !inside(to + (r + l) * width, width, block.c[l])) sure &= ~(1u << l);
        }
      }
      want &= ~sure;
    };
    if constexpr (sizeof(T) == 4) take(forward_level<Op, SingleLevel<Op>>(block, kTrust<T>, want, result));
    if (want) take(forward_level<Op, Bounded<Twofold>>(block, kTrust<T>, want, result));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

// ---- the pullback, for every op alike

// Where the gradients of one block go: a plane to a column of each argument, or null; and their sizes are vouched for.
struct Gradients {
  Lanes* row[3] = {nullptr, nullptr, nullptr};
  bool wants_number = false, wants_c = false;
  Lanes number, c;
};

// With u the upstream gradient, h_j = <u, row_j> and adjoints from the tape, the gradient in framed row j is
//   a_j u + sum_i w_ji row_i,   w_jj = 2 adjoint(g_jj),  w_ji = adjoint(g_ji),
// and that in a row itself follows from the frames.
template <class Op, class S>
__attribute__((noinline)) unsigned backward_level(const Block& block, const Trust& trust, unsigned want, Gradients& to) {
  using R = decltype(S::v);
  constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  static thread_local std::unique_ptr<Tape<S>> tape_owner(new Tape<S>);
  static thread_local std::unique_ptr<S[]> adjoint_owner(new S[Tape<S>::kMost]);
  Tape<S>& tape = *tape_owner;
  S* adjoint = adjoint_owner.get();
  const int64_t k = block.k;
  constexpr bool row_out = Op::out != Layout::kNumber;
  const Lanes *planes = block.planes, *u = planes + K * k;
  const Framed<Op, R> rows(planes, block.planes + (K + 1) * k, k);
  const Grams<Op, R> grams(rows, planes, k);
  const In<S, K> plain = inputs<Op, S>(block, grams);
  if constexpr (!tracked<S>) {
    want &= bits(ordinary<Op>(plain));
    if (!want) return 0;
  }

  tape.size = 1;
  In<Rev<S>, K> in;
  for (int p = 0; p < kPairs; ++p) in.gram[p] = leaf(plain.gram[p], tape);
  for (int j = 0; j < K; ++j) {
    in.square[j] = rows.framed(j) ? leaf(plain.square[j], tape) : in.gram[j * (j + 1) / 2 + j];
    if (reads_odd(Op::in[j])) in.odd[j] = leaf(plain.odd[j], tape);
  }
  if constexpr (Op::number) in.number = leaf(plain.number, tape);
  in.c = leaf(plain.c, tape);
  const Out<Rev<S>, K> out = Op::coef(in);
  for (int i = 0; i < tape.size; ++i) adjoint[i] = S(0.0);

  Lanes unorm = Lanes{};
  if constexpr (row_out) {
    // <u, row_j>, with their bounds
    Lanes hi[K], lo[K], u2 = Lanes{};
    for (int j = 0; j < K; ++j) hi[j] = lo[j] = Lanes{};
    for (int64_t i = 0; i < k; ++i) {
      u2 = vfma(u[i], u[i], u2);
#pragma GCC unroll 3
      for (int j = 0; j < K; ++j) {
        const Lanes x = rows.hi[j][i];
        if constexpr (Framed<Op, R>::twofold) {
          const Twofold q = two_prod(x, u[i]), s = two_sum(hi[j], q.hi);
          Lanes low = q.lo;
          if (rows.framed(j)) low = vfma(rows.lo[j][i], u[i], low);
          hi[j] = s.hi;
          lo[j] += s.lo + low;
        } else {
          hi[j] = vfma(x, u[i], hi[j]);
        }
      }
    }
    unorm = vsqrt(u2) * 1.001;
    const double n = double(k) + 4.0;
    for (int j = 0; j < K; ++j) {
      const Lanes size = grams.norm[j] * unorm;
      S h;
      if constexpr (Framed<Op, R>::twofold) {
        h = S(two_sum(hi[j], lo[j]), size * (2.0 * n * n * kU * kU) + (size == 0.0 ? Lanes{} : splat<Lanes>(n * 0x1p-1040)));
      } else {
        h = S(hi[j], size * (1.01 * n * kU));
      }
      if (out.a[j].id) adjoint[out.a[j].id] = adjoint[out.a[j].id] + h;
    }
  }
  const auto seed = [&](const Rev<S>& node, Lanes value) {
    if (node.id) adjoint[node.id] = adjoint[node.id] + S(R(value), Lanes{});
  };
  if constexpr (!row_out || has_time(Op::out) || has_last(Op::out)) seed(out.odd, block.odd_grad);
  if constexpr (Op::out == Layout::kLorentzPointLast) seed(out.time, block.time_grad);
  tape.sweep(adjoint);

  // m[r][0..K): what of framed row j, m[r][K]: what of u, goes into the gradient of argument r
  S m[K][K + 1];
  for (int b = 0, p = 0; b < K; ++b) {
    for (int a = 0; a <= b; ++a, ++p) {
      const S& g = adjoint[in.gram[p].id];
      m[a][b] = m[b][a] = a == b ? 2.0 * g : g;
    }
  }
  for (int j = 0; j < K; ++j) m[j][K] = row_out ? out.a[j].v : S(0.0);
  for (int j = 1; j < K; ++j) {  // row j = argument j -/+ argument 0
    if (!rows.framed(j)) continue;
    for (int i = 0; i <= K; ++i) m[0][i] = Op::frame[j] == Frame::kMinusFirst ? m[0][i] - m[j][i] : m[0][i] + m[j][i];
  }

  for (int r = 0; r < K; ++r) {
    if (!to.row[r]) continue;
    Lanes* result = to.row[r];
    Lanes error = Lanes{}, terms = Lanes{}, size2 = Lanes{}, residue = Lanes{}, along = Lanes{};
    for (int j = 0; j < K; ++j) {
      if constexpr (tracked<S>) error = vfma(m[r][j].e, grams.norm[j], error);
      terms = vfma(vabs(total(m[r][j].v)), grams.norm[j], terms);
    }
    const S own = rows.framed(r) ? 2.0 * adjoint[in.square[r].id] : S(0.0);  // what of the row as it stands
    if constexpr (tracked<S>) {
      error = vfma(own.e, grams.plain_norm[r], error);
      error = vfma(m[r][K].e, unorm, error);
    }
    terms = vfma(vabs(total(own.v)), grams.plain_norm[r], terms);
    terms = vfma(vabs(total(m[r][K].v)), unorm, terms);
    error = vfma(splat<Lanes>(tracked<S> ? 2.0 * kCombining<Op, R> : kQuick), terms, error);
    for (int64_t i = 0; i < k; ++i) {
      auto v = combined(rows, m[r], i);
      if (rows.framed(r)) v = plus_term(v, own.v, planes[r * k + i]);
      if constexpr (row_out) v = plus_term(v, m[r][K].v, u[i]);
      const Lanes whole = total(v);
      size2 = vfma(whole, whole, size2);
      if (has_time(Op::in[r])) {
        residue = vfma(planes[r * k + i], rest(v, rounded(whole, trust.single)), residue);
        along = vfma(planes[r * k + i], whole, along);
      }
      result[first_column(Op::in[r]) + i] = whole;
    }
    Lanes size = vsqrt(size2);
    if (has_last(Op::in[r])) size += vabs(total(adjoint[in.odd[r].id].v));
    Lanes stretch = splat<Lanes>(1.0);
    if (Op::in[r] == Layout::kLorentzPoint || Op::in[r] == Layout::kLorentzPointLast) {
      // Time takes what the rounding of the spatial entries left out, since a projection to the tangent space multiplies
      // the part along x by 1 + c|x|^2: the mere rounding of a correct gradient would come back e^(2 radius) times larger.
      const Lanes xx = total(plain.square[r].v);
      result[0] = residue * vsqrt(block.c / (1.0 + block.c * xx));
      if (!row_out) {
        // what counts is the projected gradient, and its part along x is stretched likewise
        const Lanes norm = vsqrt(xx);
        stretch += block.c * xx;
        size += block.c * norm * vmax<Lanes>(Lanes{}, vabs(along) - (double(k) + 8.0) * 0x1p-52 * norm * size);
      }
    } else if (Op::in[r] == Layout::kLorentzVector) {
      result[0] = Lanes{};
    }
    want &= bits((error * stretch <= size * trust.gradient + trust.least) & (size < trust.most));
    if (reads_odd(Op::in[r])) {
      const S& g = adjoint[in.odd[r].id];
      const Lanes v = total(g.v);
      result[odd_column(Op::in[r], k)] = v;
      if constexpr (tracked<S>) want &= bits(g.e <= (size + vabs(v)) * trust.gradient + trust.least);
      want &= bits(vabs(v) < trust.most);
    }
  }
  const auto number = [&](Lanes& result, const S& g) {
    result = total(g.v);
    if constexpr (tracked<S>) want &= bits(g.e <= vabs(result) * trust.gradient);
    want &= bits(vabs(result) < 0x1p1000);
  };
  if constexpr (Op::number) {
    if (to.wants_number) number(to.number, adjoint[in.number.id]);
  }
  if (to.wants_c) number(to.c, adjoint[in.c.id]);
  return want;
}

template <class Op, class T>
void backward_rows(const Job& job, int64_t begin, int64_t end) {
  static thread_local Scratch scratch;
  constexpr int K = Op::rows;
  const int64_t k = job.k;
  // the rows and u, what framing makes of K - 1 of them, and K gradients
  Block block{k, scratch.reserve(size_t((4 * K + 1) * k + 2 * K))};
  Gradients to;
  for (int j = 0; j < K; ++j) {
    if (job.grad_in[j]) to.row[j] = block.planes + (3 * K + 1) * k + j * (k + 2);
  }
  to.wants_number = job.grad_number;
  to.wants_c = job.grad_c;
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    load_block<Op, T>(job, r, live, block);
    if constexpr (Op::out != Layout::kNumber) {
      load<T>(job.grad, r, first_column(Op::out), live, k, block.planes + K * k);
    }
    block.odd_grad = load_one<T>(job.grad, r, odd_column(Op::out, k), live);
    if constexpr (Op::out == Layout::kLorentzPointLast) block.time_grad = load_one<T>(job.grad, r, 0, live);
    const auto take = [&](unsigned sure) {
      for (int j = 0; j < K; ++j) {
        if (to.row[j]) store<T>(static_cast<T*>(job.grad_in[j]), r, columns(Op::in[j], k), to.row[j], sure);
      }
      if (to.wants_number) store<double>(job.grad_number, r, 1, &to.number, sure);
      if (to.wants_c) store<double>(job.grad_c, r, 1, &to.c, sure);
      want &= ~sure;
    };
    if constexpr (sizeof(T) == 4) take(backward_level<Op, SingleLevel<Op>>(block, kTrust<T>, want, to));
    if (want) take(backward_level<Op, Bounded<Twofold>>(block, kTrust<T>, want, to));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
