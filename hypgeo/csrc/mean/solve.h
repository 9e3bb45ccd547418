// The means themselves.  The mathematics stands in unit.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "unit.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

// ---- the sums over the points, as seen from m
template <int D>
HYPGEO_HD void add_outer(V lean, const V* y, int64_t d, V* H) {
#pragma GCC unroll 8
  for (int64_t i = 0; i < d; ++i) {
    const V v = lean * y[i];
#pragma GCC unroll 8
    for (int64_t j = 0; j <= i; ++j) H[j] = mad(v, y[j], H[j]);
    H += i + 1;
  }
}

// D: the dimension where the compiler is to know it, else 0.  kLow: coordinates have low parts (hyperboloid).
template <int D, Kind kKind, bool kLow>
void plain_sums(const Unit& u, int64_t begin, int64_t end, V* out) {
  const int64_t d = D ? D : u.d, packed = kKind == Kind::kFrechet && d <= kDense ? d * (d + 1) / 2 : 0;
  const V k = u.k.hi, q = u.q.hi, c = u.c;
  V here[D ? D : 1], g_here[D ? D : 1], h_here[D ? D * (D + 1) / 2 : 1];  // registers, where they are few
  for (int64_t j = 0; j < 3 + 2 * d + packed; ++j) out[j] = V{};
  V* const y = D ? here : out + u.sums_size - d;
  V* const G = D ? g_here : out + 1;
  V* const H = D ? h_here : out + 3 + 2 * d;
  if constexpr (D > 0) {
    for (auto& v : g_here) v = V{};
    for (auto& v : h_here) v = V{};
  }
  V first{};
  for (int64_t g = begin; g < end; ++g) {
    const V *x = u.x + g * d, *xl = kLow ? u.xl + g * d : nullptr;
    V n{};
#pragma GCC unroll 8
    for (int64_t j = 0; j < d; ++j) {
      V low = -u.ml[j];
      if constexpr (kLow) low += xl[j];
      y[j] = (x[j] - u.mh[j]) + low;
      n = mad(y[j], y[j], n);
    }
    const V s = u.s[g], h = n * (s * q), weight = u.w[g], kn = k * n;
    if constexpr (kKind != Kind::kFrechet) {
      const V part = kKind == Kind::kGuess ? weight / mad(splat<V>(2.0 / 3.0), h, splat<V>(1.0)) : weight, f = part * s;
      first += mad(2.0 * part, h, part);
#pragma GCC unroll 8
      for (int64_t j = 0; j < d; ++j) G[j] = mad(f, mad(kn, u.e[j], y[j]), G[j]);
    } else {
      const Bend b = bend(h);
      const V f = weight * b.a * s, lean = c * weight * b.lean(s);
      first = mad(weight, packed ? splat<V>(1.0) : b.across, first);
      if (!packed) {
        u.kappa[g] = kn;
        u.leaning[g] = lean;
      }
#pragma GCC unroll 8
      for (int64_t j = 0; j < d; ++j) {
        y[j] = mad(kn, u.e[j], y[j]);
        G[j] = mad(f, y[j], G[j]);
      }
      if (packed) add_outer<D>(lean, y, d, H);
    }
  }
  out[0] = first;
  if constexpr (D > 0) {
    for (int j = 0; j < D; ++j) out[1 + j] = g_here[j];
    for (int j = 0; j < packed; ++j) out[3 + 2 * d + j] = h_here[j];
  }
}

// The same with G in pairs: sum of f w, and the factor of e apart from it.
template <int D, Kind kKind, bool kLow>
void fine_sums(const Unit& u, int64_t begin, int64_t end, V* out) {
  const int64_t d = D ? D : u.d, packed = kKind == Kind::kFrechet && d <= kDense ? d * (d + 1) / 2 : 0;
  const V c = u.c;
  P w_here[D ? D : 1], g_here[D ? D : 1];
  for (int64_t j = 0; j < 3 + 2 * d + packed; ++j) out[j] = V{};
  for (auto& v : g_here) v = P(V{}, V{});
  V* const y = out + u.sums_size - d;
  V *const G = out + 1, *const low = G + d, *const H = low + d + 2;
  V first{};
  P along(V{}, V{});
  for (int64_t g = begin; g < end; ++g) {
    const V *x = u.x + g * d, *xl = kLow ? u.xl + g * d : nullptr;
    P n(V{}, V{});
#pragma GCC unroll 8
    for (int64_t j = 0; j < d; ++j) {
      const P w = u.apart(x, xl, j);
      n = add(n, square(w));
      if constexpr (D > 0) w_here[j] = w;
    }
    const P s(u.s[g], u.sl[g]), h = mul(mul(n, s), u.q), kn = mul(n, u.k);
    const V weight = u.w[g];
    P f = mul(s, weight);
    if constexpr (kKind == Kind::kMidpoint) {
      first += mad(2.0 * weight, h.hi, weight);
    } else {
      P a;
      const Bend b = bend(h, a);
      f = mul(f, a);
      first = mad(weight, packed ? splat<V>(1.0) : b.across, first);
      const V lean = c * weight * b.lean(s.hi);
      if (packed) {
#pragma GCC unroll 8
        for (int64_t j = 0; j < d; ++j) y[j] = mad(kn.hi, u.e[j], D ? w_here[D ? j : 0].hi : u.apart(x, xl, j).hi);
        add_outer<D>(lean, y, d, H);
      } else {
        u.kappa[g] = kn.hi;
        u.leaning[g] = lean;
      }
    }
#pragma GCC unroll 8
    for (int64_t j = 0; j < d; ++j) {
      if constexpr (D > 0) {
        g_here[j] = add(g_here[j], mul(f, w_here[j]));
      } else {
        const P r = add(P(G[j], low[j]), mul(f, u.apart(x, xl, j)));
        G[j] = r.hi;
        low[j] = r.lo;
      }
    }
    along = add(along, mul(f, kn));
  }
  out[0] = first;
  if constexpr (D > 0) {
    for (int j = 0; j < D; ++j) {
      G[j] = g_here[j].hi;
      low[j] = g_here[j].lo;
    }
  }
  out[1 + 2 * d] = along.hi;
  out[2 + 2 * d] = along.lo;
}

using Sums = void (*)(const Unit&, int64_t, int64_t, V*);
template <int D, Kind kKind>
Sums choose(bool fine, bool low) {
  if constexpr (kKind != Kind::kGuess) {
    if (fine) return low ? &fine_sums<D, kKind, true> : &fine_sums<D, kKind, false>;
  }
  return low ? &plain_sums<D, kKind, true> : &plain_sums<D, kKind, false>;
}
template <Kind kKind>
Sums choose(const Unit& u, bool fine) {
  switch (u.d) {
    case 2: return choose<2, kKind>(fine, u.low());
    case 3: return choose<3, kKind>(fine, u.low());
    case 4: return choose<4, kKind>(fine, u.low());
    case 5: return choose<5, kKind>(fine, u.low());
    default: return choose<0, kKind>(fine, u.low());
  }
}

// u.total: the sums over all points, the same in every lane where the lanes are points.  G's low parts are added to it.
template <Kind kKind>
void add_up(Unit& u, bool fine) {
  const Sums f = choose<kKind>(u, fine);
  const int64_t d = u.d, size = u.sums_size - d;
  if (u.tasks == 1) {
    f(u, 0, u.groups, u.total);
  } else {
    u.each(u.tasks, [&](int64_t t) {
      const int64_t end = (t + 1) * u.per_task;
      f(u, t * u.per_task, end < u.groups ? end : u.groups, u.partial + t * u.sums_size);
    });
    for (int64_t j = 0; j < size; ++j) u.total[j] = V{};
    for (int64_t t = 0; t < u.tasks; ++t) {
      const V* p = u.partial + t * u.sums_size;
      for (int64_t j = 0; j < size; ++j) {
        if (fine && ((j >= 1 && j <= d) || j == 1 + 2 * d)) {
          const P r = two_sum<V>(u.total[j], p[j]);
          u.total[j] = r.hi;
          u.total[j <= d ? j + d : j + 1] += r.lo;
        } else {
          u.total[j] += p[j];
        }
      }
    }
  }
  V* const t = u.total;
  if (u.count == 1) {
    for (int64_t j = 0; j < size; ++j) {
      if (fine && ((j >= 1 && j <= d) || j == 1 + 2 * d)) {
        dd r(t[j][0]);
        V& low = t[j <= d ? j + d : j + 1];
        for (int l = 1; l < L; ++l) {
          const dd a = two_sum<double>(r.hi, t[j][l]);
          r = dd(a.hi, r.lo + a.lo);
        }
        t[j] = splat<V>(r.hi);
        low[0] += r.lo;
      } else {
        t[j] = splat<V>(sum(t[j]));
      }
    }
  }
  if (fine) {
    const P along(t[1 + 2 * d], t[2 + 2 * d]);
    for (int64_t j = 0; j < d; ++j) {
      const P r = add(P(t[1 + j], t[1 + d + j]), mul(along, P(u.e[j], u.half ? V{} : u.ml[j])));
      t[1 + j] = r.hi + r.lo;
    }
  }
}

// ---- the Newton equation, Hessian times z = r
// The packed sums are those of -w (r coth r - 1) n n'.  The identity's share of each point is w r coth r, which would
// cancel with them along n; with n'n = 1 the diagonal is the sum of w, and of the others' sums, all positive.
inline void solve_dense(Unit& u, const V* r, V* z) {  // L D L', in place
  const int64_t d = u.d;
  V *const H = u.total + 3 + 2 * d, *const inv = u.temp, *const v = u.temp + d;
  V own[kDense];
  for (int64_t i = 0; i < d; ++i) own[i] = H[i * (i + 1) / 2 + i];
  V* row = H;
  for (int64_t i = 0; i < d; ++i) {
    V others{};
    for (int64_t j = 0; j < d; ++j) others += j == i ? V{} : own[j];
    row[i] = u.total[0] - others;
    V* other = H;
    for (int64_t j = 0; j < i; ++j) {  // v: row i of L D
      V a = row[j];
      for (int64_t l = 0; l < j; ++l) a -= v[l] * other[l];
      v[j] = a;
      row[j] = a * inv[j];
      other += j + 1;
    }
    V a = row[i];
    for (int64_t l = 0; l < i; ++l) a -= v[l] * row[l];
    inv[i] = 1.0 / a;
    V b = r[i];
    for (int64_t l = 0; l < i; ++l) b -= row[l] * z[l];
    z[i] = b;
    row += i + 1;
  }
  for (int64_t i = 0; i < d; ++i) z[i] *= inv[i];
  for (int64_t i = d - 1; i >= 0; --i) {
    row = H + i * (i + 1) / 2;
    for (int64_t j = 0; j < i; ++j) z[j] -= row[j] * z[i];
  }
}

// out = Hessian times v, point by point.
inline void apply(Unit& u, const V* v, V* out) {
  const int64_t d = u.d;
  V ev{};
  for (int64_t j = 0; j < d; ++j) ev = mad(u.e[j], v[j], ev);
  u.each(u.tasks, [&](int64_t t) {
    V* const to = u.partial + t * u.sums_size;
    for (int64_t j = 0; j <= d; ++j) to[j] = V{};
    const int64_t end = (t + 1) * u.per_task < u.groups ? (t + 1) * u.per_task : u.groups;
    for (int64_t g = t * u.per_task; g < end; ++g) {
      const V* x = u.x + g * d;
      V yv{};
      for (int64_t j = 0; j < d; ++j) yv = mad(x[j] - u.mh[j], v[j], yv);
      const V f = u.leaning[g] * mad(u.kappa[g], ev, yv);
      for (int64_t j = 0; j < d; ++j) to[j] = mad(f, x[j] - u.mh[j], to[j]);
      to[d] = mad(f, u.kappa[g], to[d]);
    }
  });
  V along{};
  for (int64_t t = 0; t < u.tasks; ++t) {
    const V f = u.partial[t * u.sums_size + d];
    along += u.count == 1 ? splat<V>(sum(f)) : f;
  }
  for (int64_t j = 0; j < d; ++j) {
    V a{};
    for (int64_t t = 0; t < u.tasks; ++t) a += u.partial[t * u.sums_size + j];
    if (u.count == 1) a = splat<V>(sum(a));
    out[j] = mad(u.total[0], v[j], mad(along, u.e[j], a));
  }
}

// Conjugate gradients (Hestenes, Stiefel 1952): the eigenvalues lie between sum w and sum w r coth r.
inline void solve_gradually(Unit& u, const V* r, V* z) {
  const int64_t d = u.d;
  V *const rest = u.temp, *const p = rest + d, *const hp = p + d;
  V size{};
  for (int64_t j = 0; j < d; ++j) {
    z[j] = V{};
    rest[j] = p[j] = r[j];
    size = mad(r[j], r[j], size);
  }
  const V goal = size * 0x1p-104;
  for (int64_t turn = 0; turn < 4 * d; ++turn) {
    const M more = size > goal;
    if (!any(more)) break;
    apply(u, p, hp);
    V php{};
    for (int64_t j = 0; j < d; ++j) php = mad(p[j], hp[j], php);
    const V a = more ? size / php : V{};
    V now{};
    for (int64_t j = 0; j < d; ++j) {
      z[j] = mad(a, p[j], z[j]);
      rest[j] = mad(-a, hp[j], rest[j]);
      now = mad(rest[j], rest[j], now);
    }
    const V b = more ? now / size : V{};
    for (int64_t j = 0; j < d; ++j) p[j] = mad(b, p[j], rest[j]);
    size = now;
  }
}

template <Kind kKind>
void newton(Unit& u, const V* r, V* z) {
  if constexpr (kKind == Kind::kMidpoint) {
    for (int64_t j = 0; j < u.d; ++j) z[j] = r[j] / u.total[0];
  } else if (u.packed()) {
    solve_dense(u, r, z);
  } else {
    solve_gradually(u, r, z);
  }
}

HYPGEO_HD V norm2(const V* a, int64_t d) {
  V n{};
  for (int64_t j = 0; j < d; ++j) n = mad(a[j], a[j], n);
  return n;
}

// One exact move to the midpoint as far as it is seen from m; the square of how far that was.
inline V to_midpoint(Unit& u) {
  V* const t = u.temp;
  for (int64_t j = 0; j < u.d; ++j) t[j] = u.total[1 + j] / u.total[0];  // n tanh(T) / sqrt(c)
  const V n = u.c * norm2(t, u.d);
  // far from the answer the gap may round to nothing: a bounded step, and the next one sees the rest
  const V f = 1.0 / (1.0 + vsqrt<V>(vmax<V>(1.0 - n, splat<V>(0x1p-40))));
  for (int64_t j = 0; j < u.d; ++j) t[j] *= f;
  u.move(t);
  return n;
}

// Newton's step of length |z|, as far as its square: z / 2 / sqrt(1 + T^2 / 4) agrees with tanh to the second order.
inline void step_by(Unit& u, const V* z, V damp) {
  V* const t = u.temp;
  const V f = 0.5 * damp / vsqrt<V>(1.0 + 0.25 * u.c * damp * damp * norm2(z, u.d));
  for (int64_t j = 0; j < u.d; ++j) t[j] = f * z[j];
  u.move(t);
}

// Newton's method; a step that does not reduce the gradient is halved.  Lanes are done where what is left is below 2^-6
// of what a float32 can show (last), or small enough for `refine`.  Returns the lanes that are not done.
inline M descend(Unit& u, bool last) {
  const int64_t d = u.d;
  V *const from_h = u.temp + d * 4, *const from_l = u.temp + d * 5;
  V best = splat<V>(__builtin_inf()), damp = splat<V>(1.0), before{};
  M open = best > 0.0;
  for (int64_t j = 0; j < d; ++j) {
    from_h[j] = u.mh[j];
    from_l[j] = u.ml[j];
    u.step[j] = V{};
  }
  for (int turn = 0; turn < 100; ++turn) {
    add_up<Kind::kFrechet>(u, false);
    const V now = norm2(u.total + 1, d);
    const M better = (now < best) & open;
    if (turn == 0 && !any(better)) break;
    V* const z = u.temp + 3 * d;
    newton<Kind::kFrechet>(u, u.total + 1, z);
    const V stretch = vmin<V>(u.stretch(), splat<V>(1.0));
    const V goal = last ? vmax<V>(0x1p-30 * stretch, splat<V>(0x1p-86)) : splat<V>(0x1p-32);
    for (int64_t j = 0; j < d; ++j) {
      from_h[j] = better ? u.mh[j] : from_h[j];
      from_l[j] = better ? u.ml[j] : from_l[j];
      u.step[j] = better ? z[j] : u.step[j];
      u.mh[j] = open ? from_h[j] : u.mh[j];
      u.ml[j] = open ? from_l[j] : u.ml[j];
    }
    u.settle();
    best = better ? now : best;
    const V far2 = u.c * norm2(u.step, d);
    // a step of length T leaves about k T^2; two steps tell k (after the first one, 0.5)
    const V k = vmin<V>(0x1p-6 + 4.0 * vsqrt<V>(far2) / before, splat<V>(0.5));
    const M done = better & (k * far2 <= goal);
    before = far2;
    damp = better ? (done ? splat<V>(1.0) : vmin<V>(2.0 * damp, splat<V>(1.0))) : 0.5 * damp;
    step_by(u, u.step, open ? damp : V{});
    open = open & ~done;
    if (!any(open)) break;
  }
  return open;
}

// Steps with G in pairs, until what is left is below what a rounding can show.
template <Kind kKind>
M refine(Unit& u) {
  M open = splat<V>(1.0) > 0.0;
  for (int turn = 0; turn < 12; ++turn) {
    add_up<kKind>(u, true);
    V* const z = u.step;
    newton<kKind>(u, u.total + 1, z);
    const V far2 = u.c * norm2(z, u.d);
    const V goal = vmax<V>(0x1p-56 * vmin<V>(u.stretch(), splat<V>(1.0)), splat<V>(0x1p-110));
    step_by(u, z, splat<V>(1.0));
    open = open & ~(far2 <= goal);
    if (!any(open)) break;
  }
  return open;
}

// The half-space's first view where a point is too far from the heaviest one for squares of e^r: from straight above that,
// as high as any point is away from it.
inline void from_above(Unit& u) {
  V away = u.mh[u.d - 1], low = away;
  for (int64_t g = 0; g < u.groups; ++g) {
    const M counts = u.w[g] > 0.0;
    for (int64_t j = 0; j < u.d; ++j) {
      const V x = u.x[g * u.d + j], by = j == u.d - 1 ? x : vabs<V>(x - u.mh[j]);
      away = counts ? vmax<V>(away, by) : away;
    }
    const V b = u.x[g * u.d + u.d - 1];
    low = counts ? vmin<V>(low, b) : low;
  }
  if (u.count == 1) {
    for (int l = 1; l < L; ++l) {
      away[0] = away[l] > away[0] ? away[l] : away[0];
      low[0] = low[l] < low[0] ? low[l] : low[0];
    }
    away = splat<V>(away[0]);
    low = splat<V>(low[0]);
  }
  V& height = u.mh[u.d - 1];
  height = (away / height) * (away / low) > kFar ? away : height;
}

// From the origin, or in the half-space the heaviest point, to the midpoint or a guess of the Frechet mean, and on.
template <Kind kKind>
M find(Unit& u, bool fine) {
  V most = splat<V>(-1.0);
  for (int64_t j = 0; j < u.d; ++j) u.mh[j] = u.ml[j] = V{};
  if (u.half) {
    for (int64_t g = 0; g < u.groups; ++g) {
      const M more = u.w[g] > most;
      most = more ? u.w[g] : most;
      for (int64_t j = 0; j < u.d; ++j) u.mh[j] = more ? u.x[g * u.d + j] : u.mh[j];
    }
    if (u.count == 1) {
      int at = 0;
      for (int l = 1; l < L; ++l) {
        if (most[l] > most[at]) at = l;
      }
      for (int64_t j = 0; j < u.d; ++j) u.mh[j] = splat<V>(u.mh[j][at]);
    }
    from_above(u);
  }
  u.settle();
  // the first view may be from far away
  constexpr bool exact = kKind == Kind::kMidpoint;
  for (int turn = 0; turn < 4; ++turn) {
    add_up<exact ? Kind::kMidpoint : Kind::kGuess>(u, false);
    if (!any(to_midpoint(u) > (exact ? 1.0 - 0x1p-20 : 0.5))) break;
  }
  const M open = kKind == Kind::kFrechet ? descend(u, !fine) : splat<V>(1.0) < 0.0;
  return fine ? refine<kKind>(u) | open : open;
}

// sqrt(1 / c + |x|^2)
template <class T>
dd time_of(const T* x, int64_t d, double c) {
  double most = 0.0;
  for (int64_t j = 0; j < d; ++j) most = std::fabs(double(x[j])) > most ? std::fabs(double(x[j])) : most;
  const double by = most > kHuge ? 0x1p-600 : 1.0;
  dd square = dd(by * by) / dd(c);
  for (int64_t j = 0; j < d; ++j) square += two_prod<double>(double(x[j]) * by, double(x[j]) * by);
  return sqrt(square) * dd(1.0 / by);
}

// A set of one point has it for its mean; and where the search left the floats the first of the heaviest points stands in
// (it is reported).  The centre says so by NaN.
inline int64_t heaviest(const Job& job, int64_t set) {
  int64_t found = -1;
  double most = -1.0;
  for (int64_t i = job.start[set]; i < job.start[set + 1]; ++i) {
    const int64_t row = job.order ? job.order[i] : i;
    const double weight = job.w ? job.w[row] : 1.0;
    if (!(weight > most)) continue;
    most = weight;
    found = row;
  }
  return found;
}
// Whether a row is a point: no set with another kind of row has a mean.
template <class T>
bool is_point(const Job& job, int64_t set, int64_t row) {
  const T* const x = static_cast<const T*>(job.x) + row * job.width + (job.width - job.d);
  dd square(0.0);
  for (int64_t j = 0; j < job.d; ++j) {
    if (!std::isfinite(x[j])) return false;
    square += two_prod<double>(double(x[j]), double(x[j]));
  }
  if (job.model == Model::kBall) return (1.0 - square * job.c[set * job.c_step]).hi > 0.0;
  return job.model == Model::kHyperboloid || x[job.d - 1] > T(0);
}
template <class T>
void stand_in(const Job& job, int64_t set) {
  int64_t row = heaviest(job, set);
  const int64_t odd = job.width - job.d;
  for (int64_t i = job.start[set]; i < job.start[set + 1]; ++i) {
    const int64_t other = job.order ? job.order[i] : i;
    if (!is_point<T>(job, set, other) && (!job.w || job.w[other] > 0.0)) row = -1;
  }
  const T* const from = static_cast<const T*>(job.x) + row * job.width;
  T* const to = static_cast<T*>(job.out) + set * job.width;
  for (int64_t j = 0; j < job.width; ++j) to[j] = row < 0 ? std::numeric_limits<T>::quiet_NaN() : from[j];
  if (odd && row >= 0) to[0] = T(time_of(to + odd, job.d, job.c[set * job.c_step]).hi);
  for (int64_t j = 0; j < 2 * job.d; ++j) job.center[set * 2 * job.d + j] = std::numeric_limits<double>::quiet_NaN();
}

// The mean of lane l in the coordinates of the rows, rounded to their dtype and kept in the space.
template <class T>
void write(const Unit& u, int l, T* out) {
  const int64_t d = u.d;
  const double c = u.c[l];
  constexpr double most = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::min();
  constexpr double eps = std::numeric_limits<T>::epsilon();
  T* const to = out + (u.job.width - d);
  const bool lift = u.job.model == Model::kHyperboloid;
  dd square(0.0);
  for (int64_t j = 0; j < d; ++j) {
    dd a = dd(u.mh[j][l], u.ml[j][l]);
    if (lift) a = 2.0 * a / dd(u.own.hi[l], u.own.lo[l]);
    if (u.half) {
      const double back = 1.0 / u.dilated[l];
      a = dd(a.hi * back * back, a.lo * back * back);
    }
    if (u.half) a.hi = a.hi > most ? most : a.hi < -most ? -most : a.hi;
    if (u.half && j == d - 1 && a.hi < least) a = dd(least);
    to[j] = T(a.hi + a.lo);
    square += two_prod<double>(double(to[j]), double(to[j]));
  }
  if (lift) out[0] = T(time_of(to, d, c).hi);
  if (u.job.model == Model::kBall && !((1.0 - square * c).hi > 0.0)) {  // a rounding put it on the rim
    const double f = (1.0 - 3.0 * eps) / std::sqrt(square.hi * c);
    for (int64_t j = 0; j < d; ++j) to[j] = T(to[j] * f);
  }
}

inline void solve(const Job& job, const int64_t* sets, int count) {
  Unit u(job, sets, count);
  Status status[L];
  u.seat(false, status);
  u.load(job.wide);
  if (!job.wide && u.near_the_rim()) u.load(true);
  const M open = job.kind == Kind::kFrechet ? find<Kind::kFrechet>(u, u.fine) : find<Kind::kMidpoint>(u, u.fine);
  for (int l = 0; l < count; ++l) {
    const int64_t set = sets[l];
    double* const center = job.center + set * 2 * u.d;
    for (int64_t j = 0; j < u.d; ++j) {
      const double back = u.half ? 1.0 / u.dilated[l] : 1.0;
      center[j] = u.mh[j][l] * back * back;
      center[u.d + j] = u.ml[j][l] * back * back;
    }
    // so far out that pairs do not place a mean to an ulp: by its gap, or its height beside where it stands
    double least = !u.xl ? 0.0 : u.job.wide ? 0x1p-42 : 0x1p-71;
    for (int64_t j = 0; u.half && j < u.d; ++j) least = std::max(least, 0x1p-100 * std::fabs(u.mh[j][l]));
    const bool fails = open[l] || !(u.own.hi[l] > least);
    job.status[set] = status[l] == kConverged && fails ? kNotConverged : status[l];
    bool known = u.own.hi[l] > 0.0;
    for (int64_t j = 0; j < u.d; ++j) known &= std::isfinite(center[j]);
    const int64_t size = u.size_of(set);
    if (size == 1) {  // exact however far out, where it is a point
      const int64_t row = heaviest(job, set);
      if (job.wide ? is_point<double>(job, set, row) : is_point<float>(job, set, row)) job.status[set] = status[l];
    }
    if (size == 1 || (size > 0 && !known)) {
      job.wide ? stand_in<double>(job, set) : stand_in<float>(job, set);
      continue;
    }
    job.wide ? write(u, l, static_cast<double*>(job.out) + set * job.width)
             : write(u, l, static_cast<float*>(job.out) + set * job.width);
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
