// Which nodes lie within a distance of a node, without looking at the rest: the engine of exact ranks.
//
// Every subtree gets, in its root's frame, a box: an interval per horizontal axis and a greatest height.  From a point u at
// height y_u, a set at horizontal gap >= g and height <= h is no nearer than
//     asinh(g / y_u)                  if h >= sqrt(g^2 + y_u^2)   (the nearest height is within reach),
//     d((0, y_u), (g, h))             otherwise,
// which holds whatever the points are: no property of a construction is used.  Outside a subtree everything is either high
// (y >= `above`) or far to the side (|x| >= `beside`) in its root's frame, so the climb towards the root stops early too.
// Edges may be longer than the exponents of float64 reach: heights, `above`, `beside` and g / y_u are held as logarithms.
#pragma once

#include <numeric>

#include "space.h"

namespace hypgeo::tree {

constexpr double kSlack = 1e-12;  // covers the rounding of the boxes, and ties: a distance within 1e-12 of another counts as equal to it

// Distance to a vertical wall whose gap is e^r times the own height.
inline double wall(double r) { return r > 20 ? r + 0.6931471805599453 : std::asinh(std::exp(r)); }

// log max(0, e^l - r)
inline double log_less(double l, double r) {
  if (r == 0) return l;
  const double q = std::log(r) - l;
  return q < 0 ? l + std::log1p(-std::exp(q)) : -INFINITY;
}

class Index {
 public:
  Index(const Points& t) : t_(t), m_(t.axes()) {
    const int64_t n = t.n;
    first_.assign(n + 2, 0);
    for (int64_t i = 1; i < n; ++i) ++first_[t.parent[i] + 2];
    for (int64_t i = 0; i <= n; ++i) first_[i + 1] += first_[i];
    child_.resize(std::max<int64_t>(n - 1, 0));
    {
      std::vector<int64_t> at(first_.begin() + 1, first_.end());
      for (int64_t i = 1; i < n; ++i) child_[at[t.parent[i]]++] = i;
    }
    std::rotate(first_.begin(), first_.begin() + 1, first_.end());  // children of i: [first_[i], first_[i + 1])
    for (int64_t i = 0; i < n; ++i)
      std::sort(child_.begin() + first_[i], child_.begin() + first_[i + 1],
                [&](int64_t a, int64_t b) { return t.offset(a)[0] < t.offset(b)[0]; });
    low_.assign(n * m_, 0.0), high_.assign(n * m_, 0.0), top_.assign(n, 0.0);
    for (int64_t i = n - 1; i > 0; --i) {
      const int64_t p = t.parent[i];
      const double a = std::exp(t.log_height(i));
      for (int k = 0; k < m_; ++k) {
        low_[p * m_ + k] = std::min(low_[p * m_ + k], t.offset(i)[k] + a * low_[i * m_ + k]);
        high_[p * m_ + k] = std::max(high_[p * m_ + k], t.offset(i)[k] + a * high_[i * m_ + k]);
      }
      top_[p] = std::max(top_[p], t.log_height(i) + top_[i]);
    }
    groups();
    outside();
  }

  int64_t children(int64_t i) const { return first_[i + 1] - first_[i]; }

  // Calls found(node, distance) for every node within `reach` of u, u itself left out.
  template <class Found>
  void within(int64_t u, double reach, const Found& found) const {
    std::vector<double> x(m_, 0.0);  // u in the frame of a
    double l = 0;
    int64_t from = -1;
    for (int64_t a = u;; a = t_.parent[a]) {
      if (from >= 0) {
        const double d = distance(norm(x.data(), m_), l, 0.0);
        if (d <= reach) found(a, d);
      }
      if (children(a) > (from >= 0)) below(a, from, x, l, reach, found);
      if (t_.parent[a] < 0) return;
      const double side = wall(log_less(beside_[a], norm(x.data(), m_)) - l);
      const double up = above_[a] > l ? above_[a] - l : 0.0;
      if (std::min(side, up) * (1 - kSlack) > reach) return;
      const double h = std::exp(t_.log_height(a));
      for (int k = 0; k < m_; ++k) x[k] = t_.offset(a)[k] + h * x[k];
      l += t_.log_height(a);
      from = a;
    }
  }

  // Distance of two nodes by the arithmetic of `within`.
  double pair(int64_t i, int64_t j) const {
    std::vector<double> x(m_, 0.0), z(m_, 0.0);
    double lx = 0, lz = 0;
    while (i != j) {
      const bool up = i > j;
      int64_t& node = up ? i : j;
      double& l = up ? lx : lz;
      std::vector<double>& p = up ? x : z;
      const double h = std::exp(t_.log_height(node));
      for (int k = 0; k < m_; ++k) p[k] = t_.offset(node)[k] + h * p[k];
      l += t_.log_height(node);
      node = t_.parent[node];
    }
    for (int k = 0; k < m_; ++k) x[k] -= z[k];
    return distance(norm(x.data(), m_), lx, lz);
  }

 private:
  const Points t_;
  const int m_;
  std::vector<int64_t> first_, child_;
  std::vector<double> low_, high_, top_, above_, beside_;
  // children in runs of about sqrt(their number), each run with a box in the parent's frame
  std::vector<int64_t> group_first_, run_;
  std::vector<double> group_low_, group_high_, group_top_;

  void groups() {
    group_first_.assign(t_.n + 1, 0);
    run_.assign(t_.n, 0);
    for (int64_t i = 0; i < t_.n; ++i) {
      const int64_t c = children(i);
      run_[i] = std::max<int64_t>(8, int64_t(std::sqrt(double(c))));
      group_first_[i + 1] = group_first_[i] + (c > 16 ? (c + run_[i] - 1) / run_[i] : 0);
    }
    const int64_t g = group_first_[t_.n];
    group_low_.assign(g * m_, INFINITY), group_high_.assign(g * m_, -INFINITY), group_top_.assign(g, -INFINITY);
    for (int64_t i = 0; i < t_.n; ++i) {
      if (group_first_[i] == group_first_[i + 1]) continue;
      for (int64_t c = 0; c < children(i); ++c) {
        const int64_t w = child_[first_[i] + c], b = group_first_[i] + c / run_[i];
        const double a = std::exp(t_.log_height(w));
        for (int k = 0; k < m_; ++k) {
          group_low_[b * m_ + k] = std::min(group_low_[b * m_ + k], t_.offset(w)[k] + a * low_[w * m_ + k]);
          group_high_[b * m_ + k] = std::max(group_high_[b * m_ + k], t_.offset(w)[k] + a * high_[w * m_ + k]);
        }
        group_top_[b] = std::max(group_top_[b], t_.log_height(w) + top_[w]);
      }
    }
  }

  // What lies outside the subtree of each node, in that node's frame.
  void outside() {
    above_.assign(t_.n, INFINITY), beside_.assign(t_.n, INFINITY);
    std::vector<double> gap;
    for (int64_t p = 0; p < t_.n; ++p) {
      const int64_t c = children(p);
      gap.assign(c, 0.0);  // least horizontal distance from a child to the box of a sibling, at least; 0 is always right
      if (m_ > 1 && c <= 16) {
        for (int64_t k = 0; k < c; ++k) gap[k] = nearest_sibling(p, k);
      } else {  // along the first axis
        double right = -INFINITY;
        for (int64_t k = 0; k < c; ++k) {
          const int64_t w = child_[first_[p] + k];
          const double a = std::exp(t_.log_height(w));
          gap[k] = t_.offset(w)[0] - right;
          right = std::max(right, t_.offset(w)[0] + a * high_[w * m_]);
        }
        double left = INFINITY;
        for (int64_t k = c - 1; k >= 0; --k) {
          const int64_t w = child_[first_[p] + k];
          const double a = std::exp(t_.log_height(w));
          gap[k] = std::max(0.0, std::min(gap[k], left - t_.offset(w)[0]));
          left = std::min(left, t_.offset(w)[0] + a * low_[w * m_]);
        }
      }
      for (int64_t k = 0; k < c; ++k) {
        const int64_t w = child_[first_[p] + k];
        const double l = t_.log_height(w);
        above_[w] = std::min(0.0, above_[p]) - l;
        beside_[w] = std::min(std::log(gap[k]), log_less(beside_[p], norm(t_.offset(w), m_))) - l;
      }
    }
  }

  // From the k-th child of p to the nearest box of another one's subtree.
  double nearest_sibling(int64_t p, int64_t k) const {
    const double* at = t_.offset(child_[first_[p] + k]);
    double least = INFINITY;
    for (int64_t j = 0; j < children(p); ++j) {
      if (j == k) continue;
      const int64_t w = child_[first_[p] + j];
      const double *b = t_.offset(w), a = std::exp(t_.log_height(w));
      double s = 0;
      for (int q = 0; q < m_; ++q) {
        const double g = std::max({0.0, b[q] + a * low_[w * m_ + q] - at[q], at[q] - b[q] - a * high_[w * m_ + q]});
        s += g * g;
      }
      least = std::min(least, std::sqrt(s));
    }
    return least;
  }

  // How far, at least, a box is from x at log height lu; ly and y the log height of the box's frame and its exponential.
  double bound(const double* low, const double* high, double top, const std::vector<double>& x, double lu, double ly, double y) const {
    double s = 0;
    for (int k = 0; k < m_; ++k) {
      const double g = std::max({0.0, y * low[k] - x[k], x[k] - y * high[k]});
      s += g * g;
    }
    const double log_g = 0.5 * std::log(s), h = ly + top;
    if (h >= std::max(log_g, lu) + 0.5 * std::log1p(std::exp(-2 * std::fabs(log_g - lu)))) return wall(log_g - lu);
    return distance(std::sqrt(s), lu, h);
  }

  // Everything below c (but not below its child `skip`); x = displacement of u from c and lu, ly the log heights, in one frame.
  template <class Found>
  void below(int64_t c, int64_t skip, const std::vector<double>& x, double lu, double reach, const Found& found) const {
    struct Open {
      int64_t node;
      double log_y;
    };
    std::vector<Open> open{{c, 0.0}};
    std::vector<double> at(x), z(m_), from(m_);  // `at` runs parallel to `open`, m_ numbers each
    while (!open.empty()) {
      const auto [p, ly] = open.back();
      open.pop_back();
      std::copy(at.end() - m_, at.end(), from.begin());
      at.resize(at.size() - m_);
      const int64_t n = children(p), g = group_first_[p + 1] - group_first_[p];
      const double y = std::exp(ly);
      for (int64_t b = 0; b < std::max<int64_t>(g, 1); ++b) {
        int64_t lo = 0, hi = n;
        if (g > 0) {
          lo = b * run_[p], hi = std::min(n, lo + run_[p]);
          const int64_t k = group_first_[p] + b;
          if (bound(&group_low_[k * m_], &group_high_[k * m_], group_top_[k], from, lu, ly, y) * (1 - kSlack) > reach) continue;
        }
        for (int64_t k = lo; k < hi; ++k) {
          const int64_t w = child_[first_[p] + k];
          if (w == skip) continue;
          for (int q = 0; q < m_; ++q) z[q] = from[q] - y * t_.offset(w)[q];
          const double lw = ly + t_.log_height(w);
          const double d = distance(norm(z.data(), m_), lu, lw);
          if (d <= reach) found(w, d);
          if (children(w) && bound(&low_[w * m_], &high_[w * m_], top_[w], z, lu, lw, std::exp(lw)) * (1 - kSlack) <= reach) {
            open.push_back({w, lw});
            at.insert(at.end(), z.begin(), z.end());
          }
        }
      }
    }
  }
};

// Ranks of a node's neighbours among all nodes, ties counted against the neighbours.
struct Ranks {
  double average_precision;  // Sala et al. 2018, section 2: mean over neighbours b_i of |N ∩ R_i| / |R_i|
  double rank_sum;           // Nickel & Kiela 2017, section 4: 1 + number of non-neighbours no farther, summed over neighbours
};

// d: the neighbours' distances, sorted; closer[i]: non-neighbours that first count against neighbour i
inline Ranks ranks(const std::vector<double>& d, const std::vector<int64_t>& closer) {
  Ranks r{0, 0};
  int64_t others = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    others += closer[i];
    r.average_precision += double(i + 1) / double(i + 1 + others);
    r.rank_sum += double(1 + others);
  }
  r.average_precision /= double(d.size());
  return r;
}

}  // namespace hypgeo::tree
