// The derivatives of the means in points, weights and curvature.
#pragma once

#include "solve.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

// At the mean sum w A y = 0, so that m moves by H^-1 of what the points', weights' and curvature's
// changes add to that sum (the implicit function theorem; Lou et al., ICML 2020, theorem 3.1).  With v = H^-1 of the
// incoming gradient, taken in the frame at m, every point's share is v . d(w A y).
template <class T, Kind kKind>
void pull_back(const Job& job, const int64_t* sets, int count) {
  Unit u(job, sets, count);
  const int64_t d = u.d;
  const bool lift = job.model == Model::kHyperboloid;
  Status status[L];
  u.seat(true, status);
  u.load(job.wide || lift);
  const int odd = int(job.width - d);
  const T* const grad = static_cast<const T*>(job.grad);
  V *const r = u.temp + 3 * d, *const v = u.temp + 4 * d;
  V time{};  // the gradient in the hyperboloid's time
  for (int l = 0; l < L; ++l) {
    const int64_t set = sets[count > 1 && l < count ? l : 0];
    for (int64_t j = 0; j < d; ++j) {
      u.mh[j][l] = job.center[set * 2 * d + j];
      u.ml[j][l] = job.center[set * 2 * d + d + j];
      r[j][l] = double(grad[set * job.width + odd + j]);
    }
    if (lift) time[l] = double(grad[set * job.width]);
  }
  u.settle();
  // the incoming gradient in the frame at m
  V grad_c{};
  if (lift) {
    const P one(splat<V>(1.0));
    P square_m(V{}, V{}), pairing(V{}, V{});
    for (int64_t j = 0; j < d; ++j) {
      const P a = div(P(2.0 * u.mh[j], 2.0 * u.ml[j]), u.own);
      square_m = add(square_m, square(a));
      pairing = add(pairing, mul(a, r[j]));
    }
    const P m0 = root(add(square_m, div(one, P(u.c))));
    pairing = add(pairing, div(mul(square_m, time), m0));  // <m, gradient> with the time's share, which may cancel it
    const V along = pairing.hi + pairing.lo;
    for (int64_t j = 0; j < d; ++j) r[j] += 2.0 * time * u.mh[j] / (u.own.hi * m0.hi) + along * u.c * u.mh[j];
    grad_c = -0.5 * time / (u.c * u.c * m0.hi);
  } else {
    for (int64_t j = 0; j < d; ++j) r[j] *= u.half ? u.own.hi : 0.5 * u.own.hi;
  }
  add_up<kKind>(u, false);
  newton<kKind>(u, r, v);
  V ev{}, mm{};
  for (int64_t j = 0; j < d; ++j) {
    ev = mad(u.e[j], v[j], ev);
    mm = mad(u.mh[j], u.mh[j], mm);
  }
  const V k = u.k.hi, q = u.q.hi, c = u.c, inv_gap = 1.0 / u.own.hi;
  const V toward = mm > 0.0 ? 1.0 / mm : mm, m_time = 2.0 * inv_gap - 1.0;
  T* const grad_x = static_cast<T*>(job.grad_x);
  V* const shares = u.partial;  // one V a task
  u.each(u.tasks, [&](int64_t t) {
    const int64_t end = (t + 1) * u.per_task < u.groups ? (t + 1) * u.per_task : u.groups;
    V* const w = shares + t * u.sums_size + 1;
    V* const out = w + d;
    V share{};
    for (int64_t g = t * u.per_task; g < end; ++g) {
      const V *x = u.x + g * d, *xl = u.low() ? u.xl + g * d : nullptr;
      V n{}, wv{}, wm{}, xx{}, xm{};
      for (int64_t j = 0; j < d; ++j) {
        V low = -u.ml[j];
        if (xl) low += xl[j];
        w[j] = (x[j] - u.mh[j]) + low;
        n = mad(w[j], w[j], n);
        wv = mad(w[j], v[j], wv);
        wm = mad(w[j], u.mh[j], wm);
        xx = mad(x[j], x[j], xx);
        xm = mad(x[j], u.mh[j], xm);
      }
      const V s = u.s[g], h = n * (s * q), weight = u.w[g], yv = s * mad(k * n, ev, wv);
      V a = splat<V>(1.0), slope{}, radial = a;  // A, dA/dh, A + h dA/dh
      if constexpr (kKind == Kind::kFrechet) {
        const Bend b = bend(h);
        a = b.a;
        slope = slope_of(b, h);
        radial = 0.5 * (1.0 + a) / (1.0 + h);
      }
      // of A y . v: `of_w` w and `of_e` (x, or the height) beside A s v
      const V of_w = 2.0 * s * mad(a * k, ev, slope * yv * q), of_e = s * (u.half ? splat<V>(-1.0) : c) * yv * radial;
      if (lift) {
        const M split = mm < n;  // w = x - m: along x and along m where m is the shorter
        V xo{};
        for (int64_t j = 0; j < d; ++j) {
          out[j] = mad(a * s, v[j], of_w * (split ? -u.mh[j] : w[j]));
          xo = mad(x[j], out[j], xo);
        }
        const V X = s - 1.0, inv = 1.0 / s, f = ((split ? of_e + of_w : of_e) - c * s * xo) * inv / X;
        for (int64_t j = 0; j < d; ++j) out[j] = weight * mad(f, x[j], inv * out[j]);
        // At fixed spatial parts x, m with times X, M the derivatives in c of y and h are
        // -m <x, z> / (2 X M) and |z|^2 / (4 X M), z = M x - X m, whose part across m is M y's, and along m is y's.
        const V ym = s * mad(k * n, mm, wm), along = ym * ym * toward, across = 4.0 * h * (1.0 + h) / c - along;
        const V xz = mad(m_time, across, s * xm * ym * toward), zz = mad(m_time * m_time, across, along);
        share += weight * (slope * yv * zz - 4.0 * a * ev * inv_gap * xz) / (4.0 * X * m_time);
      } else {
        for (int64_t j = 0; j < d; ++j) {
          const V along = u.half ? (j == d - 1 ? of_e : V{}) : of_e * x[j];
          out[j] = weight * (mad(a * s, v[j], of_w * w[j]) + along);
        }
        share += weight * (yv * (radial * 0.5 * s * xx + slope * n * s * q * (1.0 / c + mm * inv_gap)) -
                           a * s * n * ev * inv_gap * inv_gap);
      }
      for (int l = 0; l < L; ++l) {
        const int64_t row = u.rows[g * L + l];
        if (row < 0) continue;
        T* to = grad_x + row * job.width;
        if (lift) *to++ = T(0);
        for (int64_t j = 0; j < d; ++j) to[j] = T(out[j][l]);
        job.grad_w[row] = u.scale[l] * (a[l] * yv[l]);
      }
    }
    shares[t * u.sums_size] = share;
  });
  if (!u.half) {
    for (int64_t t = 0; t < u.tasks; ++t) {
      grad_c += u.count == 1 ? splat<V>(sum(shares[t * u.sums_size])) : shares[t * u.sums_size];
    }
  }
  for (int l = 0; l < count; ++l) job.grad_c[sets[l]] = grad_c[l];
}

inline void pull(const Job& job, const int64_t* sets, int count) {
  if (job.kind == Kind::kFrechet) {
    (job.wide ? pull_back<double, Kind::kFrechet> : pull_back<float, Kind::kFrechet>)(job, sets, count);
  } else {
    (job.wide ? pull_back<double, Kind::kMidpoint> : pull_back<float, Kind::kMidpoint>)(job, sets, count);
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
