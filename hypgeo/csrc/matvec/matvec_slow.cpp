// One row at a time in arbitrary precision (cpu/slow.h).
#include "../cpu/slow.h"
#include "chain.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace chain {
namespace {

struct Sums {
  Big sum = Big(0.0);
  void add(const Big& m, const Big& x) { sum = sum + times_or_zero(m, x); }
  const Big& value(int64_t) const { return sum; }
};

template <class Model, class T>
struct Row {
  using Exp = typename Model::Exp;
  using Bigs = std::vector<Big>;
  const Matvec& job;
  int64_t r, shrink;  // shrink: a power of two by which the matrix is divided, and so the exponential's velocity
  Bigs x, at;
  Journey<Model, Big> way;

  Row(const Matvec& matvec, int64_t row, int64_t less) : job(matvec), r(row), shrink(less), at(size_t(job.d + 2 * job.k)) {
    for (int64_t i = 0; i < job.d; ++i) x.emplace_back(double(hypgeo::at<T>(job.in[0], r, first_column(Model::point) + i)));
    way.template go<Sums>(*this, x.data(), job.k, job.d, number_at(job.c, r), at.data());
  }
  Big operator()(int64_t i, int64_t j) const {
    return scaled(Big(double(static_cast<const T*>(job.m)[r * job.m_batch + i * job.m_row + j * job.m_col])), -shrink);
  }
  // Whether an exponential came to nothing for its exponents alone (2^60), where one 2^40 times as short would do.
  bool endless(bool special) const {
    if constexpr (!requires { Exp::velocity; }) return false;
    for (int64_t i = 0; i < job.k; ++i) special = special && !is_nan(way.w[i]) && !is_inf(way.w[i]);
    return special && shrink < 2400;
  }
};

template <class Model, class T>
void forward_slow(const Job& base, int64_t r) {
  using Exp = typename Model::Exp;
  const Matvec& job = static_cast<const Matvec&>(base);
  const int64_t skip = first_column(Exp::out), width = job.k + skip;
  T* to = static_cast<T*>(job.out) + r * width;
  const Precision precision(kFirstBits);
  int64_t shrink = 0;
  for (int bits = kFirstBits; bits <= kMostBits; bits *= 2) {
    big_precision(bits);
    const Row<Model, T> row(job, r, shrink);
    std::vector<Big> exact(size_t(width), Big(0.0));
    const Big time = end(row.way, exact.data() + skip);
    if (skip) exact[0] = time;
    Verdict<T> verdict, height;
    for (const Big& y : exact) verdict.see(y);
    if constexpr (has_last(Exp::out)) height.see(exact.back());
    if (row.endless(verdict.special)) {
      shrink += 40;
      bits /= 2;
      continue;
    }
    if (bits * 2 <= kMostBits && !(verdict.settled() && height.settled())) continue;
    for (int64_t i = 0; i < width; ++i) to[i] = nearest<T>(exact[size_t(i)]);
    land<Exp, T>(job, r, exact, to);
    break;
  }
}

template <class Model, class T>
void backward_slow(const Job& base, int64_t r) {
  using Exp = typename Model::Exp;
  const Matvec& job = static_cast<const Matvec&>(base);
  const int64_t d = job.d, k = job.k, skip = first_column(Exp::out);
  const Precision precision(kFirstBits);
  int64_t shrink = 0;
  for (int bits = kFirstBits; bits <= kMostBits; bits *= 2) {
    big_precision(bits);
    const Row<Model, T> row(job, r, shrink);
    std::vector<Big> u, gw(size_t(k), Big(0.0)), gx(size_t(d), Big(0.0)), room(size_t(2 * d));
    for (int64_t i = 0; i < k; ++i) u.emplace_back(double(at<T>(job.grad, r, skip + i)));
    const Big u_time = skip ? Big(double(at<T>(job.grad, r, 0))) : Big(0.0);
    Big c_grad = pull<Model, Sums>(row.way, row, row.x.data(), u.data(), u_time, gw.data(), gx.data(), room.data());
    // where the matrix keeps the length (the identity), no end in the ball depends on c, and no precision would say so
    if (in_ball(Model::point) && is_exact_zero(row.way.size - row.way.square)) c_grad = Big(0.0);
    for (Big& g : gw) g = scaled(g, -shrink);  // where only the direction counts, f(w) = f(w / 2^shrink)
    bool settled = true, nan = false;
    const auto judge = [&](const auto& verdict) {
      settled = settled && verdict.settled();
      nan = nan || verdict.nan;
    };
    const auto write = [&](const std::vector<Big>& from, auto* to) {
      Verdict<T> verdict;
      for (size_t i = 0; i < from.size(); ++i) {
        verdict.see(from[i]);
        to[i] = nearest<std::remove_reference_t<decltype(*to)>>(from[i]);
      }
      judge(verdict);
    };
    if (job.grad_product) write(gw, job.grad_product + r * k);
    if (job.tangent) {
      std::vector<Big> v;
      for (int64_t i = 0; i < d; ++i) v.push_back(times_or_zero(row.way.x[i], row.way.l.value));
      write(v, job.tangent + r * d);
    }
    if (job.grad_in[0]) {
      T* to = static_cast<T*>(job.grad_in[0]) + r * (d + skip);
      write(gx, to + skip);
      if (skip) {
        Big residue(0.0), square(0.0);
        for (int64_t i = 0; i < d; ++i) {
          const Big& x = row.x[size_t(i)];
          if (std::isfinite(double(to[1 + i]))) residue = residue + x * (gx[size_t(i)] - Big(double(to[1 + i])));
          square = square + sqr(x);
        }
        to[0] = nearest<T>(residue * sqrt(row.way.c / (1.0 + row.way.c * square)));
      }
    }
    if (job.grad_c) {
      Verdict<double> verdict;
      verdict.see(c_grad);
      judge(verdict);
      job.grad_c[r] = nearest_double(c_grad);
    }
    if (row.endless(nan)) {
      for (const Big& g : u) nan = nan && !is_nan(g) && !is_inf(g);
      if (nan) {
        shrink += 40;
        bits /= 2;
        continue;
      }
    }
    if (settled) break;
  }
}

template <class Model>
constexpr SlowKernels of{{&forward_slow<Model, float>, &forward_slow<Model, double>},
                         {&backward_slow<Model, float>, &backward_slow<Model, double>}};

}  // namespace
}  // namespace chain
}  // namespace HYPGEO_ISA

extern const SlowKernels matvec_slow[];
const SlowKernels matvec_slow[] = {chain::of<chain::Ball>, chain::of<chain::Hyperboloid>, chain::of<chain::HalfSpace>};

}  // namespace hypgeo
