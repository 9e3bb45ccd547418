// Weighted means of points in hyperbolic space, many at a time: the Frechet mean, the midpoint, and their derivatives.
//
// Everything is seen from the present estimate m.  With w = x - m and local scales of x and m, the spatial hyperboloid
// coordinates of x in an orthonormal frame at m are
//     y = s (w + k |w|^2 e),        h = s q |w|^2 = sinh^2(r / 2),   r the normalised distance of x and m,
//     ball:        s = 2 / g_x,   k = -c / g_m,    e = m,          q = c / (2 g_m),     g = 1 - c |.|^2
//     half-space:  s = 1 / b,     k = 1 / (2 a),   e = (0, .., 1), q = 1 / (4 a),       heights b of x, a of m
// (the boost to m written in the difference w: no term cancels another for points near each other).  Half-space lengths
// are counted in units of the curvature radius (c = 1): the mean does not depend on it.  The hyperboloid is the ball
// chart x_b = x / (1 + X), X = sqrt(1 + c |x|^2), g = 2 / (1 + X), carried as hi + lo.
//
// With A = r / sinh r the gradient of half the sum of squared distances is -G, G = sum w A y, and its Hessian is
// sum w (r coth r (1 - n n') + n n'), n = y / |y| (Karcher, Comm. Pure Appl. Math. 30 (1977); H. Afsari, R. Tron,
// R. Vidal, SIAM J. Control Optim. 51 (2013)).  Its eigenvalues are at least the sum of the weights, so that the norm
// of G falls along every Newton step that is short enough, and vanishes at the mean alone: halving the steps that do
// not reduce it converges from anywhere.  The midpoint is the same with A = 1 and the Hessian sum w cosh r.
#pragma once

#include <limits>
#include <new>

#include "bend.h"
#include "job.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

constexpr int64_t kDense = 24;       // above this dimension the Newton equation is solved by conjugate gradients
constexpr int64_t kTask = 1 << 15;   // coordinates per task where one set is shared among threads
constexpr double kHuge = 0x1p400;    // of coordinates, whose squares are brought into range

// ---- memory of one task, in one piece
class Arena {
 public:
  explicit Arena(int64_t vectors)
      : base_(static_cast<V*>(::operator new(size_t(vectors) * sizeof(V), std::align_val_t(64)))), next_(base_) {}
  ~Arena() { ::operator delete(base_, std::align_val_t(64)); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  V* take(int64_t n) {
    V* p = next_;
    next_ += n;
    return p;
  }

 private:
  V *base_, *next_;
};

// One set (its points in the lanes) or up to L sets (a lane each), and the present estimate of its mean.
struct Unit {
  const Job& job;
  const int64_t* sets;
  const int count;
  const int64_t d;
  const bool half;
  int64_t groups, tasks, per_task, sums_size;
  Arena arena;
  V *x, *xl, *s, *sl, *w;     // per group of L rows: coordinates, their low parts (hyperboloid), scales, weights
  int64_t* rows;              // which rows they are, -1: none
  bool fine = false;          // low parts and scales are there
  V c, scale;                 // curvature; the power of two by which weights were multiplied
  V upstream;                 // the power of two by which the incoming gradient was divided
  V dilated;                  // half-space: the power of two by which coordinates were, where they are huge
  V *mh, *ml, *e;             // the estimate, hi + lo
  P own, k, q;                // its gap or height; k, q above
  V *partial, *total;         // sums of each task, and of all
  V *kappa, *leaning;         // per group, for conjugate gradients
  V *step, *temp;

  int64_t size_of(int64_t set) const { return job.start[set + 1] - job.start[set]; }
  int64_t packed() const { return d <= kDense ? d * (d + 1) / 2 : 0; }

  static int64_t groups_of(const Job& job, const int64_t* sets, int count) {
    int64_t most = 1;
    for (int l = 0; l < count; ++l) {
      const int64_t n = job.start[sets[l] + 1] - job.start[sets[l]];
      if (n > most) most = n;
    }
    return count == 1 ? (most + L - 1) / L : most;
  }
  static int64_t tasks_of(int count, int64_t groups, int64_t per_task) {
    return count == 1 ? (groups + per_task - 1) / per_task : 1;
  }
  // What a task adds up: the Hessian's first factor; G; its low parts; the factor of e, hi and lo; the Hessian: rows
  // of its lower triangle.  And room for one group's y.
  static int64_t sums_of(int64_t d) { return 3 + 2 * d + (d <= kDense ? d * (d + 1) / 2 : 0) + d; }
  static int64_t per_task_of(int64_t d) { return kTask / (d * L) + 1; }
  static int64_t memory(const Job& job, const int64_t* sets, int count) {
    const int64_t d = job.d, g = groups_of(job, sets, count);
    return g * (2 * d + 6) + (tasks_of(count, g, per_task_of(d)) + 1) * sums_of(d) + 12 * d + 16;
  }

  Unit(const Job& j, const int64_t* which, int n)
      : job(j), sets(which), count(n), d(j.d), half(j.model == Model::kHalfSpace), arena(memory(j, which, n)) {
    groups = groups_of(job, sets, count);
    per_task = count == 1 ? per_task_of(d) : groups;
    tasks = tasks_of(count, groups, per_task);
    sums_size = sums_of(d);
    x = arena.take(groups * d);
    xl = job.model == Model::kHyperboloid ? arena.take(groups * d) : nullptr;
    s = arena.take(groups);
    sl = arena.take(groups);
    w = arena.take(groups);
    rows = reinterpret_cast<int64_t*>(arena.take(groups));
    kappa = arena.take(groups);
    leaning = arena.take(groups);
    mh = arena.take(d);
    ml = arena.take(d);
    e = arena.take(d);
    step = arena.take(d);
    temp = arena.take(6 * d);
    partial = arena.take(tasks * sums_size);
    total = arena.take(sums_size);
    for (int l = 0; l < L; ++l) {
      c[l] = half ? 1.0 : job.c[(count == 1 || l >= count ? sets[0] : sets[l]) * job.c_step];
    }
  }

  template <class F>
  void each(int64_t n, const F& f) const {
    if (n == 1) return f(0);
    auto task = [](void* context, int64_t i) { (*static_cast<const F*>(context))(i); };
    job.each(n, task, const_cast<F*>(&f));
  }
  template <class F>
  void each_group(const F& f) const {
    each(tasks, [&](int64_t t) {
      const int64_t end = (t + 1) * per_task < groups ? (t + 1) * per_task : groups;
      for (int64_t g = t * per_task; g < end; ++g) f(g);
    });
  }

  // Which rows stand where; a set's rows without weight are left out unless `all`.
  void seat(bool all, Status* status) {
    for (int64_t i = 0; i < groups * L; ++i) rows[i] = -1;
    for (int64_t g = 0; g < groups; ++g) w[g] = V{};
    for (int l = count; l < L; ++l) w[0][l] = count == 1 ? 0.0 : 1.0;
    for (int l = 0; l < count; ++l) {
      const int64_t first = job.start[sets[l]], n = size_of(sets[l]);
      int64_t at = 0;
      double largest = 0.0;
      bool bad = false;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = job.order ? job.order[first + i] : first + i;
        const double weight = job.w ? job.w[row] : 1.0;
        bad |= !(weight >= 0.0 && weight < __builtin_inf());
        if (weight > largest) largest = weight;
        if (!(weight > 0.0) && !all) continue;
        const int64_t g = count == 1 ? at / L : at, p = count == 1 ? at % L : l;
        rows[g * L + p] = row;
        w[g][p] = weight;
        ++at;
      }
      if (at == 0) w[0][count == 1 ? 0 : l] = 1.0;  // the origin alone
      status[l] = bad || (n > 0 && largest == 0.0) ? kBadWeights : kConverged;
      // sums of weights neither overflow nor vanish; by a power of two, exactly
      const double by = largest > 0.0 ? std::ldexp(1.0, -std::ilogb(largest)) : 1.0;
      if (by != 1.0) {
        for (int64_t i = 0; i < at; ++i) (count == 1 ? w[i / L][i % L] : w[i][l]) *= by;
      }
      count == 1 ? void(scale = splat<V>(by)) : void(scale[l] = by);
    }
  }

  template <class T, int D>
  void gather() {
    const int64_t n = D ? D : d;
    const T* from = static_cast<const T*>(job.x) + (job.width - n);
    each_group([&](int64_t g) {
      for (int l = 0; l < L; ++l) {
        double* to = reinterpret_cast<double*>(x + g * n) + l;
        const int64_t row = rows[g * L + l];
        if (row >= 0) {
          const T* p = from + row * job.width;
#pragma GCC unroll 8
          for (int64_t j = 0; j < n; ++j) to[j * L] = double(p[j]);
        } else {  // the origin, without weight
          for (int64_t j = 0; j < n; ++j) to[j * L] = half && j == n - 1 ? 1.0 : 0.0;
        }
      }
    });
  }
  template <class T>
  void gather() {
    switch (d) {
      case 2: return gather<T, 2>();
      case 3: return gather<T, 3>();
      case 4: return gather<T, 4>();
      case 5: return gather<T, 5>();
      default: return gather<T, 0>();
    }
  }

  // Brings a half-space set whose squares would overflow to coordinates of at most 1, an isometry.
  void dilate() {
    dilated = splat<V>(1.0);
    if (!half || !job.wide) return;
    V most{};
    for (int64_t i = 0; i < groups * d; ++i) most = vmax<V>(most, vabs<V>(x[i]));
    if (count == 1) {
      for (int l = 1; l < L; ++l) most[0] = most[l] > most[0] ? most[l] : most[0];
      most = splat<V>(most[0]);
    }
    if (!any(most > kHuge)) return;
    for (int l = 0; l < L; ++l) dilated[l] = most[l] > kHuge ? std::ldexp(1.0, -std::ilogb(most[l]) / 2) : 1.0;
    // by two factors, whose product may have no float
    for (int64_t i = 0; i < groups * d; ++i) {
      const V y = x[i] * dilated * dilated;
      x[i] = i % d == d - 1 ? vmax<V>(y, splat<V>(std::numeric_limits<double>::min())) : y;
    }
  }

  // Coordinates and scales; in pairs where `want`.
  void load(bool want) {
    fine = want;
    job.wide ? gather<double>() : gather<float>();
    dilate();
    each_group([&](int64_t g) {
      V* p = x + g * d;
      if (half) {
        const V b = p[d - 1];
        s[g] = 1.0 / b;
        const P r = two_prod<V>(s[g], b);
        sl[g] = ((1.0 - r.hi) - r.lo) * s[g];
      } else if (!want) {
        V n{};
        for (int64_t j = 0; j < d; ++j) n = mad(p[j], p[j], n);  // float32 rows: nothing overflows
        if (xl) {
          s[g] = 1.0 + vsqrt<V>(mad(c, n, splat<V>(1.0)));
          const V inv = 1.0 / s[g];
          for (int64_t j = 0; j < d; ++j) p[j] *= inv;
        } else {
          s[g] = 2.0 / (1.0 - c * n);
        }
      } else {
        P n(V{}, V{});
        V by = splat<V>(1.0);  // a power of two that keeps squares in range
        if (xl) {
          V most{};
          for (int64_t j = 0; j < d; ++j) most = vmax<V>(most, vabs<V>(p[j]));
          by = select<V>(most > kHuge, splat<V>(0x1p-600), by);
        }
        for (int64_t j = 0; j < d; ++j) {
          const V y = p[j] * by;
          n = add(n, two_prod<V>(y, y));
        }
        n = mul(n, c);
        const P one(splat<V>(1.0));
        if (xl) {
          const P r = add(one, mul(root(add(P(by * by), n)), 1.0 / by));
          s[g] = r.hi;
          sl[g] = r.lo;
          for (int64_t j = 0; j < d; ++j) {
            const P b = tidy(div(P(p[j]), r));
            p[j] = b.hi;
            xl[g * d + j] = b.lo;
          }
        } else {
          const P r = div(P(splat<V>(2.0)), tidy(add(one, P(-n.hi, -n.lo))));
          s[g] = r.hi;
          sl[g] = r.lo;
        }
      }
    });
  }
  bool near_the_rim() const {
    V most{};
    for (int64_t g = 0; g < groups; ++g) most = vmax<V>(most, s[g]);
    return !half && any(!(most < 0x1p17));
  }

  // What follows from the estimate.
  void settle() {
    const P one(splat<V>(1.0));
    if (half) {
      own = P(mh[d - 1], ml[d - 1]);
      const P inv = div(one, own);
      k = P(0.5 * inv.hi, 0.5 * inv.lo);
      q = P(0.25 * inv.hi, 0.25 * inv.lo);
      for (int64_t j = 0; j < d; ++j) e[j] = splat<V>(j == d - 1 ? 1.0 : 0.0);
    } else {
      P n(V{}, V{});
      for (int64_t j = 0; j < d; ++j) n = add(n, square(P(mh[j], ml[j])));
      n = mul(n, c);
      own = tidy(add(one, P(-n.hi, -n.lo)));
      const P r = div(P(c), own);
      k = P(-r.hi, -r.lo);
      q = P(0.5 * r.hi, 0.5 * r.lo);
      for (int64_t j = 0; j < d; ++j) e[j] = mh[j];
    }
  }

  // To the point at normalised distance T in direction n, for t = n tanh(T/2) / sqrt(c).
  void move(const V* t) {
    V tt{}, cross{};
    for (int64_t j = 0; j < d; ++j) {
      tt = mad(t[j], t[j], tt);
      cross = mad(t[j], mh[j], cross);
    }
    if (half) {
      const V up = t[d - 1], f = 2.0 * own.hi / (1.0 + tt - 2.0 * up);
      for (int64_t j = 0; j < d; ++j) shift(j, f * (j == d - 1 ? up - tt : t[j]));
    } else {
      const V f = own.hi / (1.0 + 2.0 * c * cross + c * (1.0 - own.hi) * tt), r = c * tt;
      for (int64_t j = 0; j < d; ++j) shift(j, f * mad(r, mh[j], t[j]));
    }
    settle();
  }
  void shift(int64_t j, V by) {
    P a = two_sum<V>(mh[j], by);
    a = two_sum<V>(a.hi, a.lo + ml[j]);
    mh[j] = a.hi;
    ml[j] = a.lo;
  }

  bool low() const { return xl && fine; }
  // x - m
  HYPGEO_HD P apart(const V* p, const V* pl, int64_t j) const {
    const P w = two_diff<V>(p[j], mh[j]);
    return two_sum<V>(w.hi, w.lo + (pl ? pl[j] - ml[j] : -ml[j]));
  }

  // How many units of curvature radius a relative change of 1 of the coordinates of m is.
  V stretch() const {
    if (half) return splat<V>(1.0);
    V n{};
    for (int64_t j = 0; j < d; ++j) n = mad(mh[j], mh[j], n);
    return 2.0 * vsqrt<V>(c * n) / own.hi;
  }
};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
