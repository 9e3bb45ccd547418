// One op on a vector of expansions: special values, exponents beyond reach, and what expansion.h computes.
#pragma once

#include "expansion.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// The op of doubles: where one is precise enough, and where a leading part is not finite or stands on a pole.
HYPGEO_HD double arithmetic(Op op, double x, double y) {
  return op == Op::kAdd ? x + y : op == Op::kSub ? x - y : op == Op::kMul ? x * y : x / y;
}
HYPGEO_MF double plain(Op op, double x, double y, int64_t power) {
  switch (op) {
    case Op::kPow: return std::pow(x, y);
    case Op::kPowi: return std::pow(x, double(power));
    case Op::kReciprocal: return 1.0 / x;
    case Op::kSqrt: return std::sqrt(x);
    case Op::kRsqrt: return 1.0 / std::sqrt(x);
    case Op::kExp: return std::exp(x);
    case Op::kExpm1: return std::expm1(x);
    case Op::kLog: return std::log(x);
    case Op::kLog1p: return std::log1p(x);
    case Op::kSinh: return std::sinh(x);
    case Op::kCosh: return std::cosh(x);
    case Op::kTanh: return std::tanh(x);
    case Op::kAsinh: return std::asinh(x);
    case Op::kAcosh: return std::acosh(x);
    case Op::kAtanh: return std::atanh(x);
    case Op::kSin: return std::sin(x);
    case Op::kCos: return std::cos(x);
    case Op::kRound: return x;
    default: return arithmetic(op, x, y);
  }
}

// A number with the sign of a + c.
template <class V, int W>
HYPGEO_HD V shifted(const Ex<V, W>& a, double c) {
  V r = a[0] + c;
  for (int i = 1; i < W; ++i) r = select<V>(r == 0.0, a[i], r);
  return r;
}

// Positive inside the domain, negative where the result is nan, 0 where `plain` answers.
template <class V, int W>
HYPGEO_HD V room(Op op, const Ex<V, W>& x, const Ex<V, W>& y) {
  switch (op) {
    case Op::kDiv: return vabs<V>(y[0]);
    case Op::kPowi:
    case Op::kReciprocal: return vabs<V>(x[0]);
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kLog: return x[0];
    case Op::kLog1p: return shifted(x, 1.0);
    case Op::kAcosh: return shifted(x, -1.0);
    case Op::kAtanh: return -shifted(absolute(x), -1.0);
    case Op::kPow: {
      const V zero{};
      return select<V>((x[0] == 0.0) | (y[0] == 0.0) | (shifted(absolute(x), -1.0) == 0.0), zero, splat<V>(1.0));
    }
    default: return splat<V>(1.0);
  }
}

template <class V, int W>
HYPGEO_MF Scaled<V, W> sum(const Ex<V, W>& x, const Ex<V, W>& y) {
  Scaled<V, W> r{plus<W>(x, y), V{}};
  const Mask<V> over = !finite<V>(r.m[0]);
  if (any<V>(over)) {
    r.m = select<V, W>(over, plus<W>(times(x, 0x1p-8), times(y, 0x1p-8)), r.m);
    r.k = select<V>(over, splat<V>(8.0), V{});
  }
  return r;
}
template <class V, int W>
HYPGEO_MF Scaled<V, W> product(const Ex<V, W>& x, const Ex<V, W>& y) {
  const V a = vabs<V>(x[0]), b = vabs<V>(y[0]), p = a * b;
  const Mask<V> calm = (p > 0x1p-400) & (p < 0x1p900) & (a < 0x1p900) & (b < 0x1p900);
  if (!any<V>(!(calm | (a == 0.0) | (b == 0.0)))) return {x * y, V{}};
  const Scaled<V, W> s = scaled(x), t = scaled(y);
  return {s.m * t.m, s.k + t.k};
}
template <class V, int W>
HYPGEO_MF Scaled<V, W> quotient(const Ex<V, W>& x, const Ex<V, W>& y) {
  const Scaled<V, W> s = scaled(x), t = scaled(y);
  return {s.m / t.m, s.k - t.k};
}
template <class V, int W>
HYPGEO_MF Scaled<V, W> power(const Ex<V, W>& x, int64_t n) {  // |n| < 2^40, x != 0
  const Scaled<V, W> base = scaled(x);
  Scaled<V, W> r{number<V, W>(1.0), V{}};
  const uint64_t size = n < 0 ? uint64_t(-n) : uint64_t(n);
  const V least = splat<V>(-1e15), most = splat<V>(1e15);  // far beyond any result, and exact
  for (int bit = 63; bit >= 0; --bit) {
    if (size >> bit == 0) continue;
    const Scaled<V, W> square = scaled(r.m * r.m);
    r = {square.m, vmin<V>(vmax<V>(2.0 * r.k + square.k, least), most)};
    if (size >> bit & 1) {
      const Scaled<V, W> more = scaled(r.m * base.m);
      r = {more.m, r.k + base.k + more.k};
    }
  }
  return n < 0 ? Scaled<V, W>{reciprocal<V, W>(r.m), -r.k} : r;
}

// |x|^y, 0 < |x| != 1.
template <class V, int W>
HYPGEO_MF Scaled<V, W> power(const Ex<V, W>& x, const Ex<V, W>& y) {
  Scaled<V, W> p = product<V, W>(log<V, W>(absolute(x)), y);
  const Scaled<V, W> s = scaled(p.m);
  return exp<V, W>(scaled_by(s.m, vmin<V>(s.k + p.k, splat<V>(20.0))));  // beyond 2^20 it is all one
}
// Where x or y is special, |x|^y, `beside` having the sign of |x| - 1.
HYPGEO_MF double special_power(double x, double y, double beside) {
  if (beside == 0.0 && (x > 0.0 || y == y)) return 1.0;
  if (x != x && y != 0.0) return x;
  if (std::isinf(y)) return (beside > 0.0) == (y > 0.0) ? __builtin_inf() : 0.0;
  return std::pow(std::fabs(x), y);
}

// What is not arithmetic, inside the op's domain.
template <class V, int W>
HYPGEO_MF Scaled<V, W> function(Op op, int64_t n, const Ex<V, W>& x, const Ex<V, W>& y) {
  Scaled<V, W> r{x, V{}};
  switch (op) {
    case Op::kPow: r = power<V, W>(x, y); break;
    case Op::kPowi: r = power<V, W>(x, n); break;
    case Op::kReciprocal: {
      const Scaled<V, W> s = scaled(x);
      r = {reciprocal<V, W>(s.m), -s.k};
      break;
    }
    case Op::kSqrt: r = root<V, W>(x, false); break;
    case Op::kRsqrt: r = root<V, W>(x, true); break;
    case Op::kExp: r = exp<V, W>(x); break;
    case Op::kExpm1: r = expm1<V, W>(x); break;
    case Op::kLog: r.m = log<V, W>(x); break;
    case Op::kLog1p: r.m = log1p<V, W>(x); break;
    case Op::kSinh: r = sinh<V, W>(x); break;
    case Op::kCosh: r = cosh<V, W>(x); break;
    case Op::kTanh: r.m = tanh<V, W>(x); break;
    case Op::kAsinh: r.m = asinh<V, W>(x); break;
    case Op::kAcosh: r.m = acosh<V, W>(x); break;
    case Op::kAtanh: r.m = atanh<V, W>(x); break;
    case Op::kSin: r.m = sin<V, W>(x, false); break;
    case Op::kCos: r.m = sin<V, W>(x, true); break;
    case Op::kRound: r = sum<V, W>(x, number<V, W>(0.0)); break;
    default: break;
  }
  return r;
}

// kArithmetic: op is one of the first four.
template <class V, int W, bool kArithmetic = false>
HYPGEO_MF Scaled<V, W> evaluate(Op op, int64_t n, const Ex<V, W>& given, const Ex<V, W>& second) {
  const bool two = op <= Op::kPow;
  const V left = room<V, W>(op, given, second);
  Mask<V> good = finite<V>(given[0]) & (left > 0.0);
  if (two) good &= finite<V>(second[0]);
  if (op == Op::kRound && W > 2) good = left > 0.0;  // infinities anywhere add up by themselves
  const bool all = !any<V>(!good);
  const Ex<V, W> x = all ? given : select<V, W>(good, given, number<V, W>(op == Op::kAcosh ? 1.5 : 0.5));
  const Ex<V, W> y = all || !two ? second : select<V, W>(good, second, number<V, W>(1.0));
  Scaled<V, W> r{x, V{}};
  switch (op) {
    case Op::kAdd: r = sum<V, W>(x, y); break;
    case Op::kSub: r = sum<V, W>(x, -y); break;
    case Op::kMul: r = product<V, W>(x, y); break;
    case Op::kDiv: r = quotient<V, W>(x, y); break;
    default:
      if constexpr (!kArithmetic) r = function<V, W>(op, n, x, y);
  }
  const bool signs = !kArithmetic && op == Op::kPow && any<V>(!(given[0] > 0.0));
  for (int l = 0; (!all || signs) && l < lanes_of<V>; ++l) {
    const double a = lane<V>(given[0], l), b = lane<V>(second[0], l);
    const bool special = !lane_of<V>(good, l);
    double lead = lane<V>(r.m[0], l);
    if (special) {
      if constexpr (kArithmetic) {
        lead = arithmetic(op, a, b);
      } else {
        const double beside = op == Op::kPow ? lane<V>(shifted(absolute(given), -1.0), l) : 0.0;
        lead = op == Op::kPow ? special_power(a, b, beside) : plain(op, a, b, n);
        if (lane<V>(left, l) < 0.0 && std::isfinite(a)) lead = __builtin_nan("");
      }
      for (int i = 1; i < W; ++i) set_lane<V>(r.m[i], l, 0.0);
      set_lane<V>(r.k, l, 0.0);
      set_lane<V>(r.m[0], l, lead);
    }
    if (signs && a < 0.0) {
      double parity = 0.0;
      bool whole = true;
      for (int i = 0; i < W; ++i) {
        const double part = lane<V>(second[i], l);
        whole &= std::nearbyint(part) == part;
        parity += std::fmod(part, 2.0);
      }
      for (int i = 0; i < W; ++i) {
        double part = lane<V>(r.m[i], l);
        if (!whole && std::isfinite(a)) part = i ? 0.0 : __builtin_nan("");
        if (std::fabs(std::fmod(parity, 2.0)) == 1.0) part = -part;
        set_lane<V>(r.m[i], l, part);
      }
    }
  }
  return r;
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
