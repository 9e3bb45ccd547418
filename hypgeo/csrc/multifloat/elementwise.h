// Ops on one or two tensors of numbers, element by element, with broadcasting.
#pragma once

#include "evaluate.h"
#include "format.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// Steps through the elements of a broadcast operand.  With one lane, a thread's, it counts from scratch each time.
struct Walk {
  static constexpr bool kCounts = kLanes == 1;
  const Operand& operand;
  const Elementwise& job;
  int components;
  int64_t flat, at = 0, index[kCounts ? 1 : kAxes] = {};

  HYPGEO_HD Walk(const Operand& o, const Elementwise& j, int n, int64_t begin)
      : operand(o), job(j), components(n), flat(begin) {
    if constexpr (!kCounts) {
      if (o.dense || o.single) return;
      for (int d = j.axes - 1; d >= 0; --d) {
        index[d] = begin % j.size[d];
        begin /= j.size[d];
        at += index[d] * o.stride[d];
      }
    }
  }
  HYPGEO_HD int64_t next() {
    if (operand.single) return 0;
    if (operand.dense) return components * flat++;
    if constexpr (kCounts) {
      int64_t left = flat++, there = 0;
      for (int d = job.axes - 1; d >= 0; --d) {
        there += left % job.size[d] * operand.stride[d];
        left /= job.size[d];
      }
      return there;
    }
    const int64_t here = at;
    for (int d = job.axes - 1; d >= 0; --d) {
      at += operand.stride[d];
      if (++index[d] < job.size[d]) break;
      at -= operand.stride[d] * job.size[d];
      index[d] = 0;
    }
    return here;
  }
};

// ---- two doubles: the ops of scalar/multifloat.h, whose bounds stand there

// Numbers begin at p[0], p[2], ...: first and second components apart.
template <IsLanes V>
HYPGEO_HD DD<V> pairs(const double* p) {
#if defined(__AVX512F__)
  if constexpr (lanes_of<V> == 8) {
    const __m512d a = _mm512_loadu_pd(p), b = _mm512_loadu_pd(p + 8);
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return DD<V>(V(_mm512_permutex2var_pd(a, even, b)), V(_mm512_permutex2var_pd(a, odd, b)));
  }
#endif
  DD<V> r;
  for (int l = 0; l < lanes_of<V>; ++l) {
    set_lane<V>(r.hi, l, p[2 * l]);
    set_lane<V>(r.lo, l, p[2 * l + 1]);
  }
  return r;
}
template <IsLanes V>
HYPGEO_HD void put_pairs(const DD<V>& a, double* p) {
#if defined(__AVX512F__)
  if constexpr (lanes_of<V> == 8) {
    const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    _mm512_storeu_pd(p, _mm512_permutex2var_pd(__m512d(a.hi), low, __m512d(a.lo)));
    _mm512_storeu_pd(p + 8, _mm512_permutex2var_pd(__m512d(a.hi), high, __m512d(a.lo)));
    return;
  }
#endif
  for (int l = 0; l < lanes_of<V>; ++l) {
    p[2 * l] = lane<V>(a.hi, l);
    p[2 * l + 1] = lane<V>(a.lo, l);
  }
}

// Whether r is the result for every lane: nothing overflowed, nothing fell below float64's exponents.
template <Op op, IsLanes V>
HYPGEO_HD bool quick(const DD<V>& x, const DD<V>& y, DD<V>& r) {
  Mask<V> good;
  if constexpr (op == Op::kAdd || op == Op::kSub) {
    r = op == Op::kAdd ? x + y : x - y;
    good = finite<V>(r.hi + r.lo);
  } else if constexpr (op == Op::kMul) {
    r = x * y;
    const V size = vabs<V>(r.hi);
    good = ((size > 0x1p-900) & (size < 0x1p1000) & (vabs<V>(x.hi) < 0x1p990) & (vabs<V>(y.hi) < 0x1p990)) |
           ((size == 0.0) & ((x.hi == 0.0) | (y.hi == 0.0)) & finite<V>(x.hi + y.hi));
  } else {
    r = x / y;
    const V size = vabs<V>(r.hi), a = vabs<V>(x.hi), b = vabs<V>(y.hi);
    good = (((size > 0x1p-900) & (size < 0x1p900) & (a > 0x1p-900) & (a < 0x1p900)) | (a == 0.0)) & (b > 0x1p-900) &
           (b < 0x1p900);
  }
  return !any<V>(!good);
}

// The next `count` numbers of an operand, from number i on; what is beyond repeats the first.
HYPGEO_HD DD<Lanes> next_pairs(Walk& walk, int64_t i, int count) {
  using V = Lanes;
  const double* x = static_cast<const double*>(walk.operand.data);
  if (walk.operand.single) return DD<V>(splat<V>(x[0]), splat<V>(x[1]));
  if (walk.operand.dense && count == kLanes) return pairs<V>(x + 2 * i);
  if (walk.operand.dense) walk.flat = i;
  DD<V> r(V{});
  for (int l = 0; l < kLanes; ++l) {
    const int64_t at = l < count ? walk.next() : -1;
    set_lane<V>(r.hi, l, at < 0 ? lane<V>(r.hi, 0) : x[at]);
    set_lane<V>(r.lo, l, at < 0 ? lane<V>(r.lo, 0) : x[at + 1]);
  }
  return r;
}
HYPGEO_HD void put_some_pairs(const DD<Lanes>& a, double* p, int count) {
  if (count == kLanes) return put_pairs<Lanes>(a, p);
  for (int l = 0; l < count; ++l) p[2 * l] = lane<Lanes>(a.hi, l), p[2 * l + 1] = lane<Lanes>(a.lo, l);
}

template <Op op>
HYPGEO_FN void run_pairs(const Elementwise& job, int64_t begin, int64_t end) {
  using V = Lanes;
  double* out = static_cast<double*>(job.out);
  Walk x(job.x, job, 2, begin), y(job.y, job, 2, begin);
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    const DD<V> a = next_pairs(x, i, count), b = next_pairs(y, i, count);
    DD<V> r;
    if (quick<op, V>(a, b, r)) {
      put_some_pairs(r, out + 2 * i, count);
    } else {
      store<double, 2, V>(evaluate<V, 3, true>(op, 0, to<3>(of<V>(a)), to<3>(of<V>(b))), out + 2 * i, count);
    }
  }
}

// Functions of one number, computed in pairs as well: a few u^2 (see PAIR_BOUNDS in hypgeo/ops/multifloat.py).
HYPGEO_FN void run_pair_functions(const Elementwise& job, int64_t begin, int64_t end) {
  using V = Lanes;
  double* out = static_cast<double*>(job.out);
  Walk x(job.x, job, 2, begin);
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    const DD<V> a = next_pairs(x, i, count);
    const Scaled<V, 2> r = evaluate<V, 2>(job.op, 0, of<V>(a), Ex<V, 2>{});
    const auto alone = [](DD<V>& z) { z.lo = select<V>(finite<V>(z.hi), z.lo, V{}); };
    DD<V> y = two_sum<V>(r.m[0], r.m[1]);
    alone(y);
    if (any<V>(r.k != 0.0)) {
      const Ex<V, 2> s = scaled_by(of<V>(y), r.k);
      y = DD<V>(s[0], s[1]);
      alone(y);
      y = two_sum<V>(y.hi, y.lo);
      alone(y);
    }
    put_some_pairs(y, out + 2 * i, count);
  }
}

// kArithmetic: the op is one of the first four.
template <class T, int N, bool kArithmetic = false>
HYPGEO_FN void run_elementwise(const Elementwise& job, int64_t begin, int64_t end) {
  using V = Lanes;
  if constexpr (std::is_same_v<T, double> && N == 2) {
    if (job.op == Op::kAdd) return run_pairs<Op::kAdd>(job, begin, end);
    if (job.op == Op::kSub) return run_pairs<Op::kSub>(job, begin, end);
    if (job.op == Op::kMul) return run_pairs<Op::kMul>(job, begin, end);
    if (kArithmetic || job.op == Op::kDiv) return run_pairs<Op::kDiv>(job, begin, end);
    if (job.op >= Op::kReciprocal && job.op <= Op::kAtanh) return run_pair_functions(job, begin, end);
  }
  const T *x = static_cast<const T*>(job.x.data), *y = static_cast<const T*>(job.y.data);
  T* out = static_cast<T*>(job.out);
  const bool two = job.op <= Op::kPow;
  Walk walk_x(job.x, job, N, begin), walk_y(job.y, job, N, begin);
  if constexpr (kPlain<T, N>) {
    for (int64_t i = begin; i < end; i += kLanes) {
      const int count = end - i < kLanes ? int(end - i) : kLanes;
      V r{};
      for (int l = 0; l < count; ++l) {
        const double a = load_plain<T, N>(x + walk_x.next()), b = two ? load_plain<T, N>(y + walk_y.next()) : 0.0;
        set_lane<V>(r, l, kArithmetic ? arithmetic(job.op, a, b) : plain(job.op, a, b, job.power));
      }
      store_plain<T, N, V>(r, out + i * N, count);
    }
  } else {
    constexpr int W = kWidth<T, N>;
    int64_t at_x[kLanes], at_y[kLanes];
    for (int64_t i = begin; i < end; i += kLanes) {
      const int count = end - i < kLanes ? int(end - i) : kLanes;
      for (int l = 0; l < kLanes; ++l) {
        at_x[l] = l < count ? walk_x.next() : at_x[0];
        if (two) at_y[l] = l < count ? walk_y.next() : at_y[0];
      }
      const Ex<V, W> a = load<T, N, V>(x, at_x), b = two ? load<T, N, V>(y, at_y) : Ex<V, W>{};
      store<T, N, V>(evaluate<V, W, kArithmetic>(job.op, job.power, a, b), out + i * N, count);
    }
  }
}

// Doubles as numbers, where these hold no more (kPlain) or one double is taken for enough.
template <class T, int N>
HYPGEO_FN void run_split(const Split& job, int64_t begin, int64_t end) {
  using V = Lanes;
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? int(end - i) : kLanes;
    V a{};
    for (int l = 0; l < count; ++l) set_lane<V>(a, l, job.x[i + l]);
    store_plain<T, N, V>(a, static_cast<T*>(job.out) + i * N, count);
  }
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
