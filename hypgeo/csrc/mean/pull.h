// The derivatives of the means in points, weights and curvature.
//
// At the mean sum w A y = 0, so that m moves by H^-1 of what the points', weights' and curvature's changes add to that
// sum (the implicit function theorem; Lou et al., ICML 2020, theorem 3.1).  With v = H^-1 of the incoming gradient,
// taken in the frame at m, every point's share is v . d(w A y).
//
// The curvature's: mean and points are functions of sqrt(c) times their coordinates, so that c dL/dc is half of what
// scaling the points by 1 + t does, less the same of the mean.  The mean goes along with every isometry: the
// translation along the line from the origin O to m that moves m as the scaling does is taken off, and sum w A y = 0
// under any linear map.  With y' = sqrt(c) y, times X of x and M of m, and O = -2 sqrt(c) m / g_m = o as seen from m,
// what is left is the second term of
//     ball:         dy' = M y' + [(X - M) y' + 2 h o],     dh = h (X + M),       X - M = 2 h M - o . y'
//     hyperboloid:  dy' = (y' - (o . y') o / M^2) + [Q / X] o,   dh = Q M / (2 X),    Q = |y'|^2 - (o . y' / M)^2
// and A' y' dh, of second order in y: the first terms, which are of the first, would cancel for points close together.
//
// One number is left, and the incoming gradient may be across it: no sum of doubles keeps its digits then; pairs do.
#pragma once

#include "solve.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

// u at the mean that the forward pass found.
inline void arrive(Unit& u) {
  const int64_t d = u.d;
  for (int l = 0; l < L; ++l) {
    const double* const at = u.job.center + u.sets[u.count > 1 && l < u.count ? l : 0] * 2 * d;
    for (int64_t j = 0; j < d; ++j) {
      u.mh[j][l] = at[j] * u.dilated[l] * u.dilated[l];
      u.ml[j][l] = at[d + j] * u.dilated[l] * u.dilated[l];
    }
  }
  u.settle();
}

// The incoming gradient in the frame at m: what is returned times r + low.  grad_c: what reaches c through the
// hyperboloid's time alone.  All is divided by u.upstream, its size, lest products of tiny numbers underflow.
template <class T>
P receive(Unit& u, V* r, V* low, P& grad_c) {
  const Job& job = u.job;
  const int64_t d = u.d;
  const int odd = int(job.width - d);
  const T* const grad = static_cast<const T*>(job.grad);
  V time{};  // the gradient in the hyperboloid's time
  for (int l = 0; l < L; ++l) {
    const T* const from = grad + u.sets[u.count > 1 && l < u.count ? l : 0] * job.width;
    const double back = 1.0 / u.dilated[l];
    double most = 0.0;
    for (int64_t j = 0; j < job.width; ++j) most = std::max(most, std::abs(double(from[j])));
    const int e = most > 0.0 && std::isfinite(most) ? std::clamp(std::ilogb(most), -1000, 1000) : 0;
    const double per = std::ldexp(1.0, -e);
    u.upstream[l] = std::ldexp(1.0, e);
    for (int64_t j = 0; j < d; ++j) r[j][l] = double(from[odd + j]) * per * back * back;
    if (odd) time[l] = double(*from) * per;
  }
  for (int64_t j = 0; j < d; ++j) low[j] = V{};
  grad_c = P(V{}, V{});
  if (!odd) return u.half ? u.own : mul(u.own, splat<V>(0.5));
  const P one(splat<V>(1.0));
  P square_m(V{}, V{}), pairing(V{}, V{});
  for (int64_t j = 0; j < d; ++j) {
    const P a = div(P(2.0 * u.mh[j], 2.0 * u.ml[j]), u.own);
    square_m = add(square_m, square(a));
    pairing = add(pairing, mul(a, r[j]));
  }
  const P m0 = root(add(square_m, div(one, P(u.c)))), by = div(P(time), m0);
  pairing = add(pairing, mul(square_m, by));  // <m, gradient> with the time's share, which may cancel it
  const P f = add(mul(pairing, u.c), div(P(2.0 * by.hi, 2.0 * by.lo), u.own));
  for (int64_t j = 0; j < d; ++j) {
    const P a = tidy(add(P(r[j]), mul(f, P(u.mh[j], u.ml[j]))));
    r[j] = a.hi;
    low[j] = a.lo;
  }
  grad_c = div(mul(by, splat<V>(-0.5)), two_prod<V>(u.c, u.c));
  return one;
}

// Where one point stands for the mean, it takes the whole gradient.
template <class T>
void through(const Job& job, int64_t set) {
  const int64_t chosen = heaviest(job, set), odd = job.width - job.d;
  const T* const grad = static_cast<const T*>(job.grad) + set * job.width;
  T* const grad_x = static_cast<T*>(job.grad_x);
  job.grad_c[set] = 0.0;
  job.lost[set] = 0;
  for (int64_t i = job.start[set]; i < job.start[set + 1]; ++i) {
    const int64_t row = job.order ? job.order[i] : i;
    T* const to = grad_x + row * job.width;
    job.grad_w[row] = 0.0;
    for (int64_t j = 0; j < job.width; ++j) to[j] = row == chosen ? grad[j] : T(0);
    if (!odd || row != chosen) continue;
    const double c = job.c[set * job.c_step];  // time is sqrt(1 / c + |x|^2)
    const T* const x = static_cast<const T*>(job.x) + row * job.width + odd;
    const dd time = time_of(x, job.d, c), by = dd(double(grad[0])) / time;
    for (int64_t j = 0; j < job.d; ++j) to[odd + j] = T((dd(double(grad[odd + j])) + by * dd(double(x[j]))).hi);
    to[0] = T(0);
    job.grad_c[set] = (dd(-0.5) * by / (dd(c) * dd(c))).hi;
  }
}

// Marks in job.lost the sets whose derivative in the weights or the curvature cancels too far for doubles: `mend` them.
template <class T, Kind kKind>
void pull_back(const Job& job, const int64_t* sets, int count) {
  Unit u(job, sets, count);
  const int64_t d = u.d;
  const bool lift = job.model == Model::kHyperboloid;
  Status status[L];
  u.seat(true, status);
  u.load(job.wide || lift);
  V *const r = u.temp + 3 * d, *const v = u.temp + 4 * d;
  arrive(u);
  P direct;
  const V unit = receive<T>(u, r, u.temp + 5 * d, direct).hi;
  for (int64_t j = 0; j < d; ++j) r[j] *= unit;
  add_up<kKind>(u, false);
  newton<kKind>(u, r, v);
  V ev{}, mm{};
  for (int64_t j = 0; j < d; ++j) {
    ev = mad(u.e[j], v[j], ev);
    mm = mad(u.mh[j], u.mh[j], mm);
  }
  constexpr double kNothing = 0x1p-1000;  // of squares
  const V k = u.k.hi, q = u.q.hi, c = u.c, inv_gap = 1.0 / u.own.hi;
  const V toward = mm > kNothing ? 1.0 / mm : V{}, m_time = 2.0 * inv_gap - 1.0;
  T* const grad_x = static_cast<T*>(job.grad_x);
  const V v2 = norm2(v, d), typical_y = vsqrt<V>(4.0 * v2 / (c * double(d)));  // over |y|, y . v of random directions
  const V rough_ev = vabs<V>(ev) + vsqrt<V>(v2 * norm2(u.e, d) / double(d));
  constexpr int kTold = 5;  // sums a task
  u.each(u.tasks, [&](int64_t t) {
    const int64_t end = (t + 1) * u.per_task < u.groups ? (t + 1) * u.per_task : u.groups;
    V *const told = u.partial + t * u.sums_size, *const w = told + kTold, *const out = w + d;
    V grad_c{}, rough2{}, yv2{}, y2{}, spread{};
    for (int64_t g = t * u.per_task; g < end; ++g) {
      const V *x = u.x + g * d, *xl = u.low() ? u.xl + g * d : nullptr;
      V n{}, wv{}, wm{};
      for (int64_t j = 0; j < d; ++j) {
        V low = -u.ml[j];
        if (xl) low += xl[j];
        w[j] = (x[j] - u.mh[j]) + low;
        n = mad(w[j], w[j], n);
        wv = mad(w[j], v[j], wv);
        wm = mad(w[j], u.mh[j], wm);
      }
      const V s = u.s[g], h = n * (s * q), weight = u.w[g], yv = s * mad(k * n, ev, wv);
      V a = splat<V>(1.0), bending{}, radial = a;  // A, dA/dh s q, A + h dA/dh
      Bend b;
      if constexpr (kKind == Kind::kFrechet) {
        b = bend(h);
        a = b.a;
        bending = slope_of(b, h, s, q);
        radial = 0.5 * (1.0 + a) / (1.0 + h);
      }
      // of A y . v: `of_w` w and `of_e` (x, or the height) beside A s v
      const V of_w = 2.0 * mad(a * s * k, ev, bending * yv), of_e = (s * radial) * (u.half ? splat<V>(-1.0) : c) * yv;
      const V hh = select<V>(h < kFar, mad(h, h, h), splat<V>(kFar * kFar)), rough_yv = mad(vsqrt<V>(hh), typical_y, vabs<V>(yv));
      V share{}, rough{};  // of dL/dc, and what its roundings are in proportion to
      if (lift) {
        const M split = mm < n;  // w = x - m: along x and along m where m is the shorter
        V xo{}, xx{}, rest{};
        for (int64_t j = 0; j < d; ++j) {
          out[j] = mad(a * s, v[j], of_w * (split ? -u.mh[j] : w[j]));
          xo = mad(x[j], out[j], xo);
          xx = mad(x[j], x[j], xx);
        }
        // To the spatial coordinates s x, in which what lies along x counts 1 / X: taken off twice, so that nothing of
        // its roundings stays with what lies across, which in one dimension is 0.
        const V X = s - 1.0, inv = 1.0 / s, per_x = xx > kNothing ? 1.0 / xx : V{}, first = xo * per_x;
        for (int64_t j = 0; j < d; ++j) {
          out[j] = mad(-first, x[j], out[j]);
          rest = mad(x[j], out[j], rest);
        }
        const V second = rest * per_x, f = ((first + second) + (split ? of_e + of_w : of_e)) / X - second;
        for (int64_t j = 0; j < d; ++j) out[j] = weight * inv * mad(f, x[j], out[j]);
        // Q, of which the part of y along m is almost nothing where M is large
        const V ym = s * mad(k * n, mm, wm), lean = wm * toward;
        V across{};
        for (int64_t j = 0; j < d; ++j) {
          const V part = mad(-lean, u.mh[j], w[j]);
          across = mad(part, part, across);
        }
        const V part = ym / m_time;
        const V Q = mad(s * (s / X), across, part * (part / X) * toward), f_c = weight * Q;  // over c, and X
        V f_y{};
        if constexpr (kKind == Kind::kFrechet) f_y = 0.25 * slope_of(b, h, f_c, m_time);
        const V f_e = f_c * (a * inv_gap);
        share = f_y * yv - f_e * ev;
        rough = f_e * rough_ev - f_y * rough_yv;  // dA/dh < 0
      } else {
        for (int64_t j = 0; j < d; ++j) {
          const V along = u.half ? (j == d - 1 ? of_e : V{}) : of_e * x[j];
          out[j] = weight * (mad(a * s, v[j], of_w * w[j]) + along);
        }
        if (!u.half) {
          const V rise = mad(splat<V>(2.0), wm, n);  // |x|^2 - |m|^2
          const V f_c = weight * s * inv_gap, f_e = a * n * inv_gap;
          V f_y{};
          if constexpr (kKind == Kind::kFrechet) f_y = 0.25 * slope_of(b, h, n, s + (m_time - 1.0));
          share = f_c * (mad(0.5 * a, rise, f_y) * yv - f_e * ev);
          rough = f_c * (mad(0.5 * a, vabs<V>(rise), -f_y) * rough_yv + f_e * rough_ev);
        }
      }
      const V known = weight > 0.0 ? a : V{};
      grad_c += share;
      rough2 = mad(rough, rough, rough2);
      yv2 = mad(known * yv, known * yv, yv2);
      y2 = mad(known * known, hh, y2);
      spread = mad(weight, h, spread);
      for (int l = 0; l < L; ++l) {
        const int64_t row = u.rows[g * L + l];
        if (row < 0) continue;
        T* to = grad_x + row * job.width;
        if (lift) *to++ = T(0);
        const double by = u.dilated[l];
        for (int64_t j = 0; j < d; ++j) to[j] = T(out[j][l] * u.upstream[l] * by * by);
        job.grad_w[row] = u.scale[l] * (a[l] * yv[l]) * u.upstream[l];
      }
    }
    const V all[kTold] = {grad_c, rough2, yv2, y2, spread};
    for (int i = 0; i < kTold; ++i) told[i] = all[i];
  });
  V told[kTold] = {};
  for (int64_t t = 0; t < u.tasks; ++t) {
    for (int i = 0; i < kTold; ++i) {
      const V part = u.partial[t * u.sums_size + i];
      told[i] += u.count == 1 ? splat<V>(sum(part)) : part;
    }
  }
  const V grad_c = told[0] + direct.hi;
  for (int l = 0; l < count; ++l) job.grad_c[sets[l]] = grad_c[l] * u.upstream[l];
  // Their errors are a rounding of the terms, or what is left of the way to the mean beside that to the points.  Of the
  // weights it concerns two or three points, which can all lie across v.  Roundings seldom add up: as measured on sets
  // of 2 to 50 points, what passes here is within 16 ulp.
  const V left = vsqrt<V>(c * norm2(u.total + 1, d) / (u.total[0] * told[4])), noise = 0x1p-52 + 4.0 * left;
  constexpr double eps = std::numeric_limits<T>::epsilon();
  const V rough = vsqrt<V>(told[1]) + vabs<V>(direct.hi);
  const V seen = vsqrt<V>(told[2]), sight = vsqrt<V>(told[3]) * typical_y;
  const M bad_c = noise * rough > 4.0 * eps * vabs<V>(grad_c), bad_w = noise * sight > 4.0 * eps * seen;
  for (int l = 0; l < count; ++l) {
    // pairs have no way round the squares of e^r
    const bool in_range = told[4][l] < kFar;
    job.lost[sets[l]] = in_range && u.size_of(sets[l]) > 1 && ((job.in_c && bad_c[l]) || (job.in_w && bad_w[l]));
    if (std::isnan(job.center[sets[l] * 2 * d])) through<T>(job, sets[l]);
  }
}

// ---- the same in pairs, but for the derivatives in the points: none of their sums cancels

struct Fine {
  P a, across, slope;  // A, r coth r, dA/dh; for the midpoint 1, cosh r, 0
};
template <Kind kKind>
Fine fine(P h) {
  Fine f{P(splat<V>(1.0)), add(P(splat<V>(1.0)), P(2.0 * h.hi, 2.0 * h.lo)), P(V{}, V{})};
  if constexpr (kKind == Kind::kFrechet) {
    bend(h, f.a);
    f.across = mul(f.across, f.a);
    f.slope = slope_of(h, f.across);
  }
  return f;
}

// One group as seen from m, for v in pairs.
struct Look {
  P n, wv, wm, s, h, kn;
  Look(const Unit& u, int64_t g, const V* v, const V* low) : n(V{}, V{}), wv(n), wm(n), s(u.s[g], u.sl[g]) {
    const V *x = u.x + g * u.d, *xl = u.low() ? u.xl + g * u.d : nullptr;
    for (int64_t j = 0; j < u.d; ++j) {
      const P w = u.apart(x, xl, j);
      n = add(n, square(w));
      wv = add(wv, mul(w, P(v[j], low[j])));
      wm = add(wm, mul(w, P(u.mh[j], u.ml[j])));
    }
    h = mul(mul(n, s), u.q);
    kn = mul(n, u.k);
  }
};

// Pairs of a task, their sums over all of them, and room: d + 2.
inline P* pairs(const Unit& u, int64_t t) { return reinterpret_cast<P*>(u.partial + t * u.sums_size); }
inline P gathered(const Unit& u, int64_t i) {
  P r(V{}, V{});
  for (int64_t t = 0; t < u.tasks; ++t) r = add(r, pairs(u, t)[i]);
  if (u.count > 1) return r;
  dd all(0.0);
  for (int l = 0; l < L; ++l) all += dd(r.hi[l]) + dd(r.lo[l]);
  return P(splat<V>(all.hi), splat<V>(all.lo));
}
inline P pairing(const Unit& u, const V* v, const V* low) {  // e . v
  P r(V{}, V{});
  for (int64_t j = 0; j < u.d; ++j) r = add(r, mul(P(u.e[j], u.half ? V{} : u.ml[j]), P(v[j], low[j])));
  return r;
}
template <class F>
void each_in_task(const Unit& u, int64_t size, const F& f) {
  u.each(u.tasks, [&](int64_t t) {
    const int64_t end = (t + 1) * u.per_task < u.groups ? (t + 1) * u.per_task : u.groups;
    P* const to = pairs(u, t);
    for (int64_t i = 0; i < size; ++i) to[i] = P(V{}, V{});
    for (int64_t g = t * u.per_task; g < end; ++g) f(g, to);
  });
}

// r + low less the Hessian's v, in r.
template <Kind kKind>
void residual(Unit& u, const V* v, V* r, const V* low, const V* none) {
  const int64_t d = u.d;
  const P ev = pairing(u, v, none);
  each_in_task(u, d + 2, [&](int64_t g, P* to) {
    const Look p(u, g, v, none);
    const Fine f = fine<kKind>(p.h);
    const V weight = u.w[g];
    // (1 - r coth r) / sinh^2 r = dA/dh / 2
    const P yv = mul(p.s, add(p.wv, mul(p.kn, ev))), by = mul(mul(mul(f.slope, mul(p.s, yv)), u.c), 0.5 * weight);
    to[0] = add(to[0], mul(f.across, weight));
    to[1] = add(to[1], mul(by, p.kn));
    const V *x = u.x + g * d, *xl = u.low() ? u.xl + g * d : nullptr;
    if (kKind == Kind::kFrechet) {
      for (int64_t j = 0; j < d; ++j) to[2 + j] = add(to[2 + j], mul(by, u.apart(x, xl, j)));
    }
  });
  const P first = gathered(u, 0), along = gathered(u, 1);
  for (int64_t j = 0; j < d; ++j) {
    P a = add(mul(first, v[j]), mul(along, P(u.e[j], u.half ? V{} : u.ml[j])));
    a = add(P(r[j], low[j]), -add(a, gathered(u, 2 + j)));
    r[j] = a.hi + a.lo;
  }
}

template <class T, Kind kKind>
void mend(const Job& job, const int64_t* sets, int count) {
  Unit u(job, sets, count);
  const int64_t d = u.d;
  Status status[L];
  u.seat(true, status);
  u.load(true);
  arrive(u);
  V *const r = u.temp + 3 * d, *const v = u.temp + 4 * d, *const low = u.temp + 5 * d, *const z = u.step;
  // the mean beyond its doubles
  add_up<kKind>(u, true);
  newton<kKind>(u, u.total + 1, z);
  step_by(u, z, splat<V>(1.0));
  P grad_c;
  const P unit = receive<T>(u, r, low, grad_c);
  // v likewise, by a step of iterative refinement
  add_up<kKind>(u, false);
  newton<kKind>(u, r, v);
  for (int64_t j = 0; j < d; ++j) z[j] = V{};
  residual<kKind>(u, v, r, low, z);
  add_up<kKind>(u, false);
  newton<kKind>(u, r, z);
  for (int64_t j = 0; j < d; ++j) {
    const P a = mul(two_sum<V>(v[j], z[j]), unit);
    v[j] = a.hi;
    low[j] = a.lo;
  }
  P mm(V{}, V{});
  for (int64_t j = 0; j < d; ++j) mm = add(mm, square(P(u.mh[j], u.ml[j])));
  const P one(splat<V>(1.0)), inv_gap = div(one, u.own), ev = pairing(u, v, low);
  const P twice(2.0 * inv_gap.hi, 2.0 * inv_gap.lo), m_time = add(twice, -one), tilt = div(twice, m_time);
  const bool lift = job.model == Model::kHyperboloid;
  each_in_task(u, 1, [&](int64_t g, P* to) {
    const Look p(u, g, v, low);
    const Fine f = fine<kKind>(p.h);
    const P yv = mul(p.s, add(p.wv, mul(p.kn, ev))), a_yv = mul(f.a, yv), a_ev = mul(mul(f.a, inv_gap), ev);
    P share(V{}, V{});
    if (lift) {
      const P oy = mul(mul(p.s, add(p.wm, mul(p.kn, mm))), tilt), h4 = P(4.0 * p.h.hi, 4.0 * p.h.lo);
      const P Q = add(div(mul(h4, add(one, p.h)), P(u.c)), mul(-square(oy), u.c));  // over c
      share = mul(div(Q, add(p.s, -one)), add(mul(mul(mul(m_time, f.slope), yv), splat<V>(0.25)), -a_ev));
    } else if (!u.half) {
      const P rise = add(P(2.0 * p.wm.hi, 2.0 * p.wm.lo), p.n), times = add(add(p.s, m_time), -one);
      const P bending = mul(mul(mul(f.slope, p.n), times), splat<V>(0.25));
      share = add(mul(yv, add(mul(mul(f.a, rise), splat<V>(0.5)), bending)), -mul(a_ev, p.n));
      share = mul(share, mul(p.s, inv_gap));
    }
    to[0] = add(to[0], mul(share, u.w[g]));
    for (int l = 0; l < L; ++l) {
      const int64_t row = u.rows[g * L + l];
      if (row >= 0) job.grad_w[row] = u.scale[l] * (a_yv.hi[l] + a_yv.lo[l]) * u.upstream[l];
    }
  });
  grad_c = add(grad_c, gathered(u, 0));
  for (int l = 0; l < count; ++l) job.grad_c[sets[l]] = (grad_c.hi[l] + grad_c.lo[l]) * u.upstream[l];
}

inline void pull(const Job& job, const int64_t* sets, int count) {
  if (job.kind == Kind::kFrechet) {
    (job.wide ? pull_back<double, Kind::kFrechet> : pull_back<float, Kind::kFrechet>)(job, sets, count);
  } else {
    (job.wide ? pull_back<double, Kind::kMidpoint> : pull_back<float, Kind::kMidpoint>)(job, sets, count);
  }
}
inline void pull_again(const Job& job, const int64_t* sets, int count) {
  if (job.kind == Kind::kFrechet) {
    (job.wide ? mend<double, Kind::kFrechet> : mend<float, Kind::kFrechet>)(job, sets, count);
  } else {
    (job.wide ? mend<double, Kind::kMidpoint> : mend<float, Kind::kMidpoint>)(job, sets, count);
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
