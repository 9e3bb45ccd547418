// Many rows at a time, a lane each, in values that carry error bounds: double, then twofold double for float32 rows,
// twofold double for float64 rows, and Job::slow for what is left (cpu/rows.h).
#pragma once

#include "../cpu/rows.h"
#include "chain.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace chain {

// Planes of what a block of rows is made of: x, the matrix, the upstream gradient.  One matrix for all rows is numbers.
struct View {
  int64_t d, k;
  const Lanes *x, *m, *u;
  const double* shared;
  Lanes u_time, c;
  Lanes operator()(int64_t i, int64_t j) const { return shared ? splat<Lanes>(shared[i * d + j]) : m[i * d + j]; }
};

template <class S>
S exactly(Lanes x) {
  return S(decltype(S::v)(x), Lanes{});
}
inline Twofold both(Lanes x) { return Twofold(x, Lanes{}); }
inline Twofold both(const Twofold& x) { return x; }

template <class R>
struct Sums {
  Sum<R> sum;
  Lanes size = Lanes{}, error = Lanes{};
  void add(Lanes m, const Bounded<R>& x) {
    const Lanes abs_m = vabs<Lanes>(m), abs_x = vabs<Lanes>(high(x.v));
    size = vfma<Lanes>(abs_m, abs_x, size);
    error = vfma<Lanes>(abs_m, x.e, error);
    if constexpr (!std::is_same_v<R, Lanes>) error += underflow<Lanes>(abs_m, abs_x + x.e);
    sum.add(both(m), false, both(x.v), true);
  }
  Bounded<R> value(int64_t n) const {
    return Bounded<R>(sum.value(), vfma<Lanes>(size, splat<Lanes>(summing<R>(n)), error));
  }
};

// The length of a vector, and what one of n coordinates and the vector may err.
struct Length {
  Lanes square = Lanes{}, most = Lanes{};
  template <class S>
  Lanes see(const S& x) {
    const Lanes v = total(x.v);
    square = vfma<Lanes>(v, v, square);
    most = vmax<Lanes>(most, select<Lanes>(x.e == x.e, x.e, splat<Lanes>(kInf)));
    return v;
  }
  Lanes size() const { return vsqrt<Lanes>(square); }
  Lanes error(int64_t n) const { return most * (1.001 * std::sqrt(double(n))); }
};

// For vectors of a level; a thread keeps its own.
template <class S>
S* room(int64_t count) {
  static thread_local Scratch scratch;
  return reinterpret_cast<S*>(scratch.reserve(size_t(count) * (sizeof(S) / sizeof(Lanes))));
}

// Writes planes of the result and returns the lanes that their bounds vouch for.
template <class Model, class S>
__attribute__((noinline)) unsigned forward_level(const View& at, const Trust& trust, unsigned want, Lanes* result) {
  constexpr Layout point = Model::point;
  const int64_t d = at.d, k = at.k, even = k - has_last(point);
  S *x = room<S>(2 * d + 3 * k), *y = x + d;
  for (int64_t i = 0; i < d; ++i) x[i] = exactly<S>(at.x[i]);
  Journey<Model, S> way;
  way.template go<Sums<decltype(S::v)>>(at, x, k, d, exactly<S>(at.c), y + k);
  const S time = end(way, y);
  Length length;
  for (int64_t i = 0; i < even; ++i) result[first_column(point) + i] = length.see(y[i]);
  Lanes whole = length.size();
  LaneMask good = whole < trust.most;
  if constexpr (has_time(point) || has_last(point)) {
    const S& odd = has_last(point) ? y[even] : time;
    const Lanes value = total(odd.v), size = vabs<Lanes>(value);
    result[odd_column(point, even)] = value;
    whole += size;
    // a point's height is a size in its own right
    const Lanes measure = has_last(point) ? size : whole;
    good &= (odd.e <= measure * trust.value + trust.least) & (whole < trust.most);
    if constexpr (has_last(point)) good &= value >= trust.height;
  }
  good &= length.error(even) <= whole * trust.value + trust.least;
  return want & bits(good);
}

// Where the planes of the gradients go; null: not asked for.
struct Pulled {
  Lanes *x, *product, *tangent, *c;
};
template <class Model, class S>
__attribute__((noinline)) unsigned backward_level(const View& at, const Trust& trust, unsigned want, const Pulled& to) {
  using Total = Sums<decltype(S::v)>;
  const int64_t d = at.d, k = at.k;
  S *x = room<S>(5 * d + 4 * k), *gx = x + d, *u = gx + d, *gw = u + k, *rest_of = gw + k;
  for (int64_t i = 0; i < d; ++i) x[i] = exactly<S>(at.x[i]);
  for (int64_t i = 0; i < k; ++i) u[i] = exactly<S>(at.u[i]);
  Journey<Model, S> way;
  way.template go<Total>(at, x, k, d, exactly<S>(at.c), rest_of + 2 * d);
  const S c_grad = pull<Model, Total>(way, at, x, u, exactly<S>(at.u_time), gw, gx, rest_of);
  const auto judge = [&](const S* vector, int64_t n, Lanes* planes) {
    Length length;
    for (int64_t i = 0; i < n; ++i) planes[i] = length.see(vector[i]);
    const Lanes size = length.size();
    // eight ulps at most: the bounds are far wider than the errors, and what they refuse takes a hundred times as long
    want &= bits((length.error(n) <= size * (4.0 * trust.gradient) + trust.least) & (size < trust.most));
  };
  if (to.product) judge(gw, k, to.product);
  if (to.tangent) {
    S* v = rest_of;
    for (int64_t i = 0; i < d; ++i) v[i] = times_or_zero(way.x[i], way.l.value);
    judge(v, d, to.tangent);
  }
  if (to.x) {
    judge(gx, d, to.x + first_column(Model::point));
    if constexpr (has_time(Model::point)) {  // time takes what rounding leaves out of the others (gram/levels.h)
      Lanes residue = Lanes{}, square = Lanes{};
      for (int64_t i = 0; i < d; ++i) {
        residue = vfma<Lanes>(at.x[i], rest(gx[i].v, rounded(to.x[1 + i], trust.single)), residue);
        square = vfma<Lanes>(at.x[i], at.x[i], square);
      }
      to.x[0] = residue * vsqrt<Lanes>(at.c / (1.0 + at.c * square));
    }
  }
  if (to.c) {
    *to.c = total(c_grad.v);
    const Lanes size = vabs<Lanes>(*to.c);
    want &= bits((c_grad.e <= size * (4.0 * trust.gradient)) & (size < 0x1p1000));  // often a small difference
  }
  return want;
}

// ---- the loops over rows

template <class Model, class T>
struct Rows {
  const Matvec& job;
  static constexpr int kSkip = first_column(Model::point);  // the hyperboloid's time
  Lanes *x, *m, *u, *result;
  View view;

  // results: how many planes come out
  Rows(const Matvec& matvec, int64_t results) : job(matvec) {
    static thread_local Scratch scratch;
    const int64_t d = job.d, k = job.k, planes = job.m_batch ? k * d : (k * d + kLanes - 1) / kLanes;
    x = scratch.reserve(size_t(d + planes + k + results));
    m = x + d;
    u = m + planes;
    result = u + k;
    double* shared = job.m_batch ? nullptr : reinterpret_cast<double*>(m);
    for (int64_t i = 0; shared && i < k; ++i) {
      for (int64_t j = 0; j < d; ++j) shared[i * d + j] = double(static_cast<const T*>(job.m)[i * job.m_row + j * job.m_col]);
    }
    view = View{d, k, x, m, u, shared, Lanes{}, Lanes{}};
  }
  void load_rows(int64_t r, int live) {
    load<T>(job.in[0], r, kSkip, live, job.d, x);
    for (int64_t i = 0; job.m_batch && i < job.k; ++i) {
      const Operand row{static_cast<const T*>(job.m) + i * job.m_row, job.m_batch, job.m_col};
      load<T>(row, r, 0, live, job.d, m + i * job.d);
    }
    view.c = job.c.row ? load_one<double>(job.c, r, 0, live) : splat<Lanes>(*static_cast<const double*>(job.c.data));
  }
};

template <class Model, class T>
void forward_rows(const Job& base, int64_t begin, int64_t end) {
  const Matvec& job = static_cast<const Matvec&>(base);
  constexpr Layout out = Model::point;
  const int64_t width = job.k + first_column(out);
  Rows<Model, T> rows(job, width);
  T* to = static_cast<T*>(job.out);
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    rows.load_rows(r, live);
    const auto take = [&](unsigned sure) {
      store<T>(to, r, width, rows.result, sure);
      if constexpr (in_ball(out)) {
        Lanes size2 = Lanes{};
        for (int64_t i = 0; i < width; ++i) size2 = vfma<Lanes>(rows.result[i], rows.result[i], size2);
        const unsigned edge = sure & bits(rows.view.c * size2 > (sizeof(T) == 4 ? 1.0 - 0x1p-20 : 1.0 - 0x1p-46));
        for (int l = 0; edge >> l; ++l) {
          if ((edge >> l & 1) && !inside(to + (r + l) * width, width, rows.view.c[l])) sure &= ~(1u << l);
        }
      }
      want &= ~sure;
    };
    if constexpr (sizeof(T) == 4) {
      take(forward_level<Model, Bounded<Lanes>>(rows.view, kTrust<T>, want, rows.result));
    }
    if (want) take(forward_level<Model, Bounded<Twofold>>(rows.view, kTrust<T>, want, rows.result));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

template <class Model, class T>
void backward_rows(const Job& base, int64_t begin, int64_t end) {
  const Matvec& job = static_cast<const Matvec&>(base);
  const int64_t d = job.d, k = job.k, width = d + Rows<Model, T>::kSkip;
  Rows<Model, T> rows(job, width + k + d + 1);
  Lanes *x = rows.result, *product = x + width, *tangent = product + k, *c = tangent + d;
  const Pulled to{job.grad_in[0] ? x : nullptr, job.grad_product ? product : nullptr, job.tangent ? tangent : nullptr,
                  job.grad_c ? c : nullptr};
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    rows.load_rows(r, live);
    load<T>(job.grad, r, first_column(Model::point), live, k, rows.u);
    if constexpr (has_time(Model::point)) rows.view.u_time = load_one<T>(job.grad, r, 0, live);
    const auto take = [&](unsigned sure) {
      if (to.x) store<T>(static_cast<T*>(job.grad_in[0]), r, width, x, sure);
      if (to.product) store<double>(job.grad_product, r, k, product, sure);
      if (to.tangent) store<double>(job.tangent, r, d, tangent, sure);
      if (to.c) store<double>(job.grad_c, r, 1, c, sure);
      want &= ~sure;
    };
    if constexpr (sizeof(T) == 4) take(backward_level<Model, Bounded<Lanes>>(rows.view, kTrust<T>, want, to));
    if (want) take(backward_level<Model, Bounded<Twofold>>(rows.view, kTrust<T>, want, to));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

}  // namespace chain
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
