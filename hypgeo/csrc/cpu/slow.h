// One row at a time in arbitrary precision: 192 bits, then twice as many, until the error bound suffices.
//
// This is where rows end whose quick evaluation could not be vouched for: bit patterns whose products leave the range of
// double, points within rounding of the rim, results that are the small difference of large terms.
#pragma once

#include <cfloat>
#include <memory>
#include <vector>

#include "../gram/op.h"
#include "../scalar/big.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

constexpr int kFirstBits = 192, kMostBits = 8192;

// The precision while this lives.
struct Precision {
  int before = big_precision();
  explicit Precision(int bits) { big_precision(bits); }
  ~Precision() { big_precision(before); }
};

template <class T>
T at(const Operand& o, int64_t row, int64_t col) {
  return static_cast<const T*>(o.data)[row * o.row + col * o.col];
}
inline Big number_at(const Operand& o, int64_t row) { return Big(at<double>(o, row, 0)); }

template <class T>
T nearest(const Big& x) {
  if constexpr (sizeof(T) == 4) {
    return nearest_float(x);
  } else {
    return nearest_double(x);
  }
}

// Whether the error of every coordinate is small beside the longest one (or beside itself, where alone).
template <class T>
struct Verdict {
  bool special = false, nan = false;  // a coordinate is infinite or no number: more bits will not change that
  int64_t size = INT64_MIN, error = INT64_MIN;
  void see(const Big& x) {
    if (is_nan(x) || is_inf(x)) special = true;
    if (is_nan(x)) nan = true;
    if (is_nan(x) || is_inf(x) || is_exact_zero(x)) return;
    size = std::max(size, exponent(x));
    const double r = radius_log2(x);
    error = std::max(error, r < -9e18 ? INT64_MIN : r > 9e18 ? INT64_MAX : int64_t(std::ceil(r)));
  }
  bool settled() const {
    constexpr int64_t digits = sizeof(T) == 4 ? 24 : 53, least = sizeof(T) == 4 ? -149 : -1074;
    if (special || error == INT64_MIN || error < least - 2) return true;
    return size != INT64_MIN && size > INT64_MIN / 2 && error <= size - digits - 3;
  }
};

template <class Op, class T>
struct SlowRow {
  static constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  std::vector<Big> row[K], framed[K];
  In<Big, K> in;

  // shrink: a power of two by which a velocity is divided
  SlowRow(const Job& job, int64_t r, int64_t shrink = 0) {
    for (int j = 0; j < K; ++j) {
      row[j].reserve(size_t(job.k));
      for (int64_t i = 0; i < job.k; ++i) row[j].emplace_back(double(at<T>(job.in[j], r, first_column(Op::in[j]) + i)));
      if constexpr (requires { Op::velocity; }) {
        if (j == Op::velocity && shrink) {
          for (Big& x : row[j]) x = scaled(x, -shrink);
        }
      }
      framed[j] = row[j];
      for (int64_t i = 0; i < job.k && Op::frame[j] != Frame::kPlain; ++i) {
        framed[j][i] = Op::frame[j] == Frame::kMinusFirst ? row[j][i] - row[0][i] : row[j][i] + row[0][i];
      }
      in.square[j] = inner(row[j], row[j]);
      if (reads_odd(Op::in[j])) in.odd[j] = Big(double(at<T>(job.in[j], r, odd_column(Op::in[j], job.k))));
      if constexpr (requires { Op::velocity; }) {
        if (j == Op::velocity && shrink && reads_odd(Op::in[j])) in.odd[j] = scaled(in.odd[j], -shrink);
      }
    }
    for (int b = 0, p = 0; b < K; ++b) {
      for (int a = 0; a <= b; ++a, ++p) in.gram[p] = inner(framed[a], framed[b]);
    }
    if constexpr (Op::number) in.number = number_at(job.number, r);
    in.c = number_at(job.c, r);
  }
  static Big inner(const std::vector<Big>& a, const std::vector<Big>& b) {
    Big sum(0.0);
    for (size_t i = 0; i < a.size(); ++i) sum = sum + a[i] * b[i];
    return sum;
  }
  Big combined(const Big* a, int64_t i) const {
    Big sum(0.0);
    for (int j = 0; j < K; ++j) sum = sum + times_or_zero(framed[j][i], a[j]);
    return sum;
  }
};

// Whether sum of squares times c is certainly below 1: exact, at any precision that holds the products.
template <class T>
bool inside_rim(const T* row, int64_t n, double c) {
  const Precision precision(4608);
  Big sum(0.0);
  for (int64_t i = 0; i < n; ++i) sum = sum + sqr(Big(double(row[i])));
  return sum * c < 1.0;
}

// Where the nearest float of an exact point is not on the manifold: the float that stands for it.
template <class Op, class T>
void land(const Job& job, int64_t r, const std::vector<Big>& exact, T* to) {
  constexpr T least = sizeof(T) == 4 ? T(FLT_MIN) : T(DBL_MIN), most = sizeof(T) == 4 ? T(FLT_MAX) : T(DBL_MAX);
  constexpr double eps = sizeof(T) == 4 ? double(FLT_EPSILON) : DBL_EPSILON;
  const int64_t n = int64_t(exact.size());
  for (int64_t i = 0; i < n; ++i) {
    if (to[i] != to[i]) return;
  }
  if constexpr (in_ball(Op::out)) {
    const double c = at<double>(job.c, r, 0);
    if (inside_rim(to, n, c)) return;
    Big sum(0.0);
    for (const Big& x : exact) sum = sum + sqr(x);
    // rounding the coordinates moves a point by at most eps / 2
    const Big pull = (1.0 - 0.75 * eps) / sqrt(sum * c);
    for (int64_t i = 0; i < n; ++i) to[i] = nearest<T>(exact[i] * pull);
  } else if constexpr (Op::out == Layout::kHalfPoint) {
    for (int64_t i = 0; i < n; ++i) to[i] = to[i] > most ? most : to[i] < -most ? -most : to[i];
    if (to[n - 1] < least) to[n - 1] = least;
  } else if constexpr (Op::out == Layout::kLorentzPoint || Op::out == Layout::kLorentzPointLast) {
    // Where time leaves the floats: the point of that direction that leaves room for tangent vectors and squares.
    if (!(0.25 * double(most) < exact[0])) return;
    const Big excess = exact[0] / (sizeof(T) == 4 ? 0x1p96 : 0x1p460);
    for (int64_t i = 0; i < n; ++i) to[i] = nearest<T>(exact[i] / excess);
  }
}

template <class Op, class T>
void forward_slow(const Job& job, int64_t r) {
  constexpr int K = Op::rows;
  const int64_t k = job.k, width = columns(Op::out, k);
  T* to = static_cast<T*>(job.out) + r * width;
  const Precision precision(kFirstBits);
  int64_t shrink = 0;
  for (int bits = kFirstBits; bits <= kMostBits; bits *= 2) {
    big_precision(bits);
    const SlowRow<Op, T> row(job, r, shrink);
    const Out<Big, K> out = Op::coef(row.in);
    std::vector<Big> exact(size_t(width), Big(0.0));
    if constexpr (Op::out != Layout::kNumber) {
      for (int64_t i = 0; i < k; ++i) exact[first_column(Op::out) + i] = row.combined(out.a, i);
    }
    if constexpr (Op::out == Layout::kNumber || has_time(Op::out) || has_last(Op::out)) {
      exact[odd_column(Op::out, k)] = out.odd;
    }
    if constexpr (Op::out == Layout::kLorentzPointLast) exact[0] = out.time;
    Verdict<T> verdict, height;
    for (const Big& x : exact) verdict.see(x);
    if constexpr (Op::out == Layout::kHalfPoint) height.see(exact[size_t(width - 1)]);
    if constexpr (requires { Op::velocity; }) {
      // A journey too long even for these exponents (2^60) ends where one 2^40 times as short does: beyond all floats.
      bool given = true;
      for (const Big& x : row.row[Op::velocity]) given = given && !is_nan(x) && !is_inf(x);
      if (verdict.special && given && shrink < 2400) {
        shrink += 40;
        bits /= 2;
        continue;
      }
    }
    if (bits * 2 <= kMostBits && !(verdict.settled() && height.settled())) continue;
    for (int64_t i = 0; i < width; ++i) to[i] = nearest<T>(exact[size_t(i)]);
    land<Op, T>(job, r, exact, to);
    break;
  }
}

template <class Op, class T>
void backward_slow(const Job& job, int64_t r) {
  constexpr int K = Op::rows, kPairs = K * (K + 1) / 2;
  constexpr bool row_out = Op::out != Layout::kNumber;
  static thread_local std::unique_ptr<Tape<Big>> tape_owner(new Tape<Big>);
  static thread_local std::vector<Big> adjoint(size_t(Tape<Big>::kMost));
  Tape<Big>& tape = *tape_owner;
  const int64_t k = job.k;
  const Precision precision(kFirstBits);
  int64_t shrink = 0;
  for (int bits = kFirstBits; bits <= kMostBits; bits *= 2) {
    big_precision(bits);
    const bool last = bits * 2 > kMostBits;
    const SlowRow<Op, T> row(job, r, shrink);
    tape.reset();
    In<Rev<Big>, K> in;
    for (int p = 0; p < kPairs; ++p) leaf(in.gram[p], row.in.gram[p], tape);
    for (int j = 0; j < K; ++j) {
      if (Op::frame[j] == Frame::kPlain) {
        in.square[j] = in.gram[j * (j + 1) / 2 + j];
      } else {
        leaf(in.square[j], row.in.square[j], tape);
      }
      if (reads_odd(Op::in[j])) leaf(in.odd[j], row.in.odd[j], tape);
    }
    if constexpr (Op::number) leaf(in.number, row.in.number, tape);
    leaf(in.c, row.in.c, tape);
    const Out<Rev<Big>, K> out = Op::coef(in);
    tape.clear(adjoint.data());
    std::vector<Big> u;
    if constexpr (row_out) {
      for (int64_t i = 0; i < k; ++i) u.emplace_back(double(at<T>(job.grad, r, first_column(Op::out) + i)));
      for (int j = 0; j < K; ++j) {
        adjoint[size_t(out.a[j].id)] = adjoint[size_t(out.a[j].id)] + row.inner(u, row.framed[j]);
      }
    }
    const auto seed = [&](const Rev<Big>& node, int64_t column) {
      adjoint[size_t(node.id)] = adjoint[size_t(node.id)] + Big(double(at<T>(job.grad, r, column)));
    };
    if constexpr (!row_out || has_time(Op::out) || has_last(Op::out)) seed(out.odd, odd_column(Op::out, k));
    if constexpr (Op::out == Layout::kLorentzPointLast) seed(out.time, 0);
    tape.sweep(adjoint.data());

    Big m[K][K + 1];
    for (int j = 0; j < K; ++j) {
      for (int i = 0; i < K; ++i) {
        const int lo = i < j ? i : j, hi = i < j ? j : i;
        const Big& g = adjoint[size_t(in.gram[hi * (hi + 1) / 2 + lo].id)];
        m[j][i] = i == j ? 2.0 * g : g;
      }
      m[j][K] = row_out ? out.a[j].v : Big(0.0);
    }
    for (int j = 1; j < K; ++j) {
      if (Op::frame[j] == Frame::kPlain) continue;
      for (int i = 0; i <= K; ++i) {
        m[0][i] = Op::frame[j] == Frame::kMinusFirst ? m[0][i] - m[j][i] : m[0][i] + m[j][i];
      }
    }
    bool settled = true, nan = false;
    for (int q = 0; q < K; ++q) {
      if (!job.grad_in[q]) continue;
      if constexpr (requires { Op::velocity; }) {
        if (q == Op::velocity && shrink) {  // where only the direction counts, f(v) = f(v / 2^shrink)
          for (Big& w : m[q]) w = scaled(w, -shrink);
          if (reads_odd(Op::in[q])) {
            Big& g = adjoint[size_t(in.odd[q].id)];
            g = scaled(g, -shrink);
          }
        }
      }
      const int64_t width = columns(Op::in[q], k);
      T* to = static_cast<T*>(job.grad_in[q]) + r * width;
      Verdict<T> verdict;
      Big residue(0.0), along(0.0);
      for (int64_t i = 0; i < k; ++i) {
        Big g = row.combined(m[q], i);
        if (Op::frame[q] != Frame::kPlain) {
          g = g + times_or_zero(row.row[q][size_t(i)], 2.0 * adjoint[size_t(in.square[q].id)]);
        }
        if (row_out) g = g + times_or_zero(u[size_t(i)], m[q][K]);
        verdict.see(g);
        T& rounded = to[first_column(Op::in[q]) + i];
        rounded = nearest<T>(g);
        if (has_time(Op::in[q]) && std::isfinite(double(rounded))) {
          along = along + row.row[q][size_t(i)] * g;
          residue = residue + row.row[q][size_t(i)] * (g - Big(double(rounded)));
        }
      }
      if (Op::in[q] == Layout::kLorentzPoint || Op::in[q] == Layout::kLorentzPointLast) {
        Big xx(0.0);
        for (const Big& x : row.row[q]) xx = xx + sqr(x);
        const Big stretch = 1.0 + row.in.c * xx;
        to[0] = nearest<T>(residue * sqrt(row.in.c / stretch));
        // the residue must be right beside what a projection makes of the gradient
        if (Op::out == Layout::kNumber) {
          if (!is_exact_zero(along)) verdict.size = std::max(verdict.size, exponent(row.in.c * along * sqrt(xx)));
          if (verdict.error != INT64_MIN && verdict.error != INT64_MAX) {
            verdict.error += std::max<int64_t>(exponent(stretch), 0);
          }
        }
      } else if (Op::in[q] == Layout::kLorentzVector) {
        to[0] = T(0);
      }
      if (reads_odd(Op::in[q])) {
        const Big& g = adjoint[size_t(in.odd[q].id)];
        verdict.see(g);
        to[odd_column(Op::in[q], k)] = nearest<T>(g);
      }
      settled = settled && verdict.settled();
      nan = nan || verdict.nan;
    }
    const auto number = [&](double* to, const Big& g) {
      Verdict<double> verdict;
      verdict.see(g);
      constexpr bool faint = requires { Op::faint; };
      settled = settled && (verdict.settled() || (faint && bits > kFirstBits));
      to[r] = verdict.settled() || !faint ? nearest_double(g) : 0.0;
    };
    if constexpr (Op::number) {
      if (job.grad_number) number(job.grad_number, adjoint[size_t(in.number.id)]);
    }
    if (job.grad_c) number(job.grad_c, adjoint[size_t(in.c.id)]);
    if constexpr (requires { Op::velocity; }) {
      bool given = true;
      for (const Big& x : row.row[Op::velocity]) given = given && !is_nan(x) && !is_inf(x);
      for (const Big& x : u) given = given && !is_nan(x) && !is_inf(x);
      if (nan && given && shrink < 2400) {  // as for the value
        shrink += 40;
        bits /= 2;
        continue;
      }
    }
    if (settled || last) break;
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
