// Points of tilings: a double's offset in a tile that integers name, as hypgeo/manifolds/{htiling,ltiling}.py have them.
// T. Yu, C. De Sa. Numerically Accurate Hyperbolic Embeddings Using Tiling-Based Models. NeurIPS 2019, sections 3, 4.
//
// Integers are held whole, in 96 bits (H-tiling) and 62 (L-tiling), which ends at a radius of about 60 and 40; beyond it
// no step is taken.  What lies between two points is formed from exact differences or products of the integers.
#pragma once

#include <bit>

#include "spaces.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace learn {

__extension__ typedef __int128 Whole;

constexpr int kLimbBits = 24;

// An integer in signed digits to the base 2^24, `stride` apart.
inline Whole whole_of(const double* limb, int64_t limbs, int64_t stride) {
  Whole sum = 0;
  for (int64_t l = limbs - 1; l >= 0; --l) sum = sum * (1 << kLimbBits) + Whole(int64_t(limb[l * stride]));
  return sum;
}
// Whether it fits.
inline bool write_whole(Whole a, double* limb, int64_t limbs, int64_t stride) {
  for (int64_t l = 0; l < limbs; ++l) {
    const int64_t digit = int64_t((a + (1 << 23)) & 0xffffff) - (1 << 23);
    limb[l * stride] = double(digit);
    a = (a - digit) >> kLimbBits;
  }
  return a == 0;
}

// 2^s for whole |s| <= 1000.
HYPGEO_HD V power(V s) { return from_bits<V>((to_bits(s + 0x1.8p52) + 1023) << 52); }

// The half-space in tiles: 2^j (x + k, h), x in [0, 1), h in [1, 2).  A record is x, h, j, and k in two doubles each.
struct HalfTile {
  static constexpr Move kMove = Move::half_tile;
  static constexpr int kComponents = 1;
  static constexpr bool kScaled = false;
  static constexpr int64_t kLimbs = 4;
  static constexpr int64_t dim(int64_t width) { return (width - 1 + kLimbs) / (1 + kLimbs); }
  static constexpr int64_t width(int64_t d) { return d + 1 + (d - 1) * kLimbs; }
  static constexpr int64_t record(int64_t d) { return d + 1 + 2 * (d - 1); }
  static void note(const double* row, int64_t d, double, double* to) {
    for (int64_t i = 0; i <= d; ++i) to[i] = row[i];
    for (int64_t i = 0; i < d - 1; ++i) {
      const Whole k = whole_of(row + d + 1 + i, kLimbs, d - 1);
      to[d + 1 + i] = double(k);
      to[2 * d + i] = double(k - Whole(to[d + 1 + i]));
    }
  }

  static HYPGEO_HD V pair(const double* u, const V* v, int64_t d, V* at_u, V* at_v) {
    // in units of the lower tile: powers of two, so that nothing is rounded before the differences
    const V s = vmin<V>(vmax<V>(u[d] - v[d], splat<V>(-1000.0)), splat<V>(1000.0));
    const V of_u = power(vmax<V>(s, V{})), of_v = power(vmax<V>(-s, V{}));
    for (int64_t i = 0; i < d - 1; ++i) {
      const D k = D(of_u * u[d + 1 + i], of_u * u[2 * d + i]) - D(of_v * v[d + 1 + i], of_v * v[2 * d + i]);
      at_u[i] = (k + two_diff<V>(of_u * u[i], of_v * v[i])).hi;
    }
    const V a = of_u * u[d - 1], b = of_v * v[d - 1];
    const V distance = half_view(a, b, a - b, d, at_u, at_v);
    for (int64_t i = 0; i < d; ++i) {
      at_u[i] = at_u[i] * of_u;  // in units of its own tile
      at_v[i] = at_v[i] * of_v;
    }
    return distance;
  }

  // Moves a row aside by `shift` (d - 1) and to the height h, in units of its tile, and names its tile anew.
  static bool settle(double* row, int64_t d, const double* shift, double h) {
    const int64_t up = std::ilogb(h);
    if (up > 1000 || up < -1000) return false;
    bool inside = up == 0;
    for (int64_t i = 0; i < d - 1; ++i) inside = inside && row[i] + shift[i] >= 0.0 && row[i] + shift[i] < 1.0;
    if (inside) {
      for (int64_t i = 0; i < d - 1; ++i) row[i] += shift[i];
      row[d - 1] = h;
      return true;
    }
    row[d - 1] = std::ldexp(h, int(-up));
    row[d] += double(up);
    for (int64_t i = 0; i < d - 1; ++i) {
      double* limbs = row + d + 1 + i;
      Whole k = whole_of(limbs, kLimbs, d - 1);
      DD<double> rest = two_sum<double>(row[i], shift[i]);
      if (!(std::fabs(rest.hi) < 0x1p60)) return false;
      if (up > 0) {  // what of k is less than the new tile
        const Whole over = up < 120 ? k >> up : Whole(k < 0 ? -1 : 0);
        const Whole below = up < 120 ? k - (over << up) : 0;
        rest = rest + DD<double>(double(below), double(below - Whole(double(below))));
        if (up >= 120 && k != 0) rest = rest + (k < 0 ? DD<double>(std::ldexp(1.0, int(up))) + double(k) : DD<double>(double(k)));
        k = over;
      } else if (up < 0) {
        if (up < -95 || k >= (Whole(1) << 95) >> -up || -k >= (Whole(1) << 95) >> -up) return false;
        k = k << -up;
      }
      rest = DD<double>(std::ldexp(rest.hi, int(-up)), std::ldexp(rest.lo, int(-up)));
      if (!(std::fabs(rest.hi) < 0x1p94)) return false;
      double floor = std::floor(rest.hi);
      if (floor == rest.hi && rest.lo < 0.0) floor -= 1.0;
      k += Whole(floor);
      double offset = (rest - floor).hi;
      if (offset >= 1.0) {
        offset = 0.0;
        k += 1;
      }
      row[i] = offset;
      if (!write_whole(k, limbs, kLimbs, d - 1)) return false;
    }
    return true;
  }
};

// The hyperbolic plane in tiles: L g L^-1 x, L = diag(sqrt 3, 1, 1), g in the group that g_a and g_b generate, x in
// F = {2 x_1^2 - x_2^2 <= 1, 2 x_2^2 - x_1^2 <= 1}.  A record is x and its time in two doubles; the matrices g and g^-1
// stand beside it.  b = g_u^-1 g_v is exact, and y = L b L^-1 x_v is v as u's tile sees it, to twofold precision.
struct HyperboloidTile {
  static constexpr Move kMove = Move::hyperboloid_tile;
  static constexpr int kComponents = 1;
  static constexpr bool kScaled = false;
  static constexpr int64_t kLimbs = 3;
  static constexpr int64_t kMost = int64_t(1) << 61;  // three products of two such entries have 126 bits
  static constexpr int64_t dim(int64_t) { return 2; }
  static constexpr int64_t width(int64_t) { return 2 + 9 * kLimbs; }
  static constexpr int64_t kOwn = 4;                            // x, time
  static constexpr int64_t record(int64_t) { return kOwn + 9; }  // and b
  static void note(const double* row, int64_t, double, double* to) {
    const DD<double> time = sqrt(two_prod<double>(row[0], row[0]) + two_prod<double>(row[1], row[1]) + 1.0);
    to[0] = row[0];
    to[1] = row[1];
    to[2] = time.hi;
    to[3] = time.lo;
  }
  // g, then g^-1 = M^-1 g^T M, M = diag(3, -1, -1), which g preserves.
  static bool integers(const double* row, int64_t* to) {
    for (int i = 0; i < 9; ++i) {
      const Whole a = whole_of(row + 2 + i, kLimbs, 9);
      if (a >= kMost || -a >= kMost) return false;
      to[i] = int64_t(a);
    }
    inverse(to, to + 9);
    return true;
  }
  template <class T>
  static HYPGEO_HD void inverse(const T* g, T* to) {
    to[0] = g[0];
    for (int i = 1; i < 3; ++i) {
      to[i] = -(g[3 * i] / 3);
      to[3 * i] = -3 * g[i];
      for (int j = 1; j < 3; ++j) to[3 * i + j] = g[3 * j + i];
    }
  }
  static double rounded(Whole a) {
    const int64_t low = int64_t(a);
    return Whole(low) == a ? double(low) : double(a);
  }
  // b = g_u^-1 g_v as doubles, rounded where it has more than 53 bits.
  static void between(const int64_t* of_u, const int64_t* of_v, V* planes, int l) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        Whole sum = 0;
        for (int k = 0; k < 3; ++k) sum += Whole(of_u[9 + 3 * i + k]) * of_v[3 * k + j];
        planes[3 * i + j][l] = rounded(sum);
      }
    }
  }

  // The spatial coordinates of L b L^-1 x and their time, first x's own.
  static HYPGEO_HD void carry(const V* b, const D& time, const V& x1, const V& x2, D* to) {
    const D shrunk = time * D(splat<V>(0x1.279a74590331cp-1), splat<V>(0x1.34863e0792bedp-55));  // over sqrt 3
    for (int i = 1; i < 3; ++i) {
      to[i] = shrunk * b[3 * i] + two_prod<V>(b[3 * i + 1], x1) + two_prod<V>(b[3 * i + 2], x2);
    }
    to[0] = sqrt(to[1] * to[1] + to[2] * to[2] + 1.0);
  }
  static HYPGEO_HD V pair(const double* u, const V* v, int64_t, V* at_u, V* at_v) {
    const D time_u(splat<V>(u[2]), splat<V>(u[3])), time_v(v[2], v[3]);
    const V *b = v + kOwn, x[2] = {splat<V>(u[0]), splat<V>(u[1])};
    const V back[9] = {b[0], b[3] * (-1.0 / 3.0), b[6] * (-1.0 / 3.0), -3.0 * b[1], b[4], b[7], -3.0 * b[2], b[5], b[8]};
    D y[3], z[3];
    carry(b, time_v, v[0], v[1], y);
    carry(back, time_u, x[0], x[1], z);
    // in one tile differences of coordinates are exact; elsewhere the points, near the origin as u's tile sees them or
    // far from it, lose nothing by cosh d - 1 = t_u t_y - <x, y> - 1
    D square = D(V{});
    for (int i = 0; i < 2; ++i) {
      const D s = y[i + 1] - x[i];
      square = square + s * s;
    }
    const D late = y[0] - time_u;
    const Mask<V> near = y[0].hi < 4.0;
    const D close = (square - late * late) * 0.25;
    const D far = (y[0] * time_u - y[1] * x[0] - y[2] * x[1] - 1.0) * 0.5;
    const Arc arc(vmax<V>(select<V>(near, close.hi, far.hi), V{}));
    const V half = 0.5 * arc.slope;
    const D lean_u = late / time_u, lean_v = (z[0] - time_v) / time_v;
    for (int i = 0; i < 2; ++i) {
      at_u[i] = half * (lean_u * x[i] - (y[i + 1] - x[i])).hi;
      at_v[i] = half * (lean_v * v[i] - (z[i + 1] - v[i])).hi;
    }
    return arc.distance;
  }

  // Brings a row whose offset has left F back into it, and its integers g, g^-1.
  static bool settle(double* row, int64_t* g) {
    static constexpr int64_t a[9] = {2, 1, 0, 0, 0, -1, 3, 2, 0}, b[9] = {2, -1, 0, 0, 0, -1, -3, 2, 0};
    static constexpr int64_t a_[9] = {2, 0, -1, -3, 0, 2, 0, -1, 0}, b_[9] = {2, 0, 1, 3, 0, 2, 0, -1, 0};
    const auto outside = [](double p, double q) { return 2 * p * p - q * q > 1.0 || 2 * q * q - p * p > 1.0; };
    if (!outside(row[0], row[1])) return std::isfinite(row[0]) && std::isfinite(row[1]);
    int64_t word[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};  // what the offset has been carried by
    const DD<double> time = sqrt(two_prod<double>(row[0], row[0]) + two_prod<double>(row[1], row[1]) + 1.0);
    const DD<double> shrunk = time * DD<double>(0x1.279a74590331cp-1, 0x1.34863e0792bedp-55);
    double p = row[0], q = row[1];
    for (int step = 0; step < 200; ++step) {
      if (!outside(p, q)) {
        row[0] = p;
        row[1] = q;
        // g times the word's inverse
        int64_t back[9];
        inverse(word, back);
        for (int i = 0; i < 3; ++i) {
          for (int j = 0; j < 3; ++j) {
            Whole sum = 0;
            for (int k = 0; k < 3; ++k) sum += Whole(g[3 * i + k]) * back[3 * k + j];
            if (sum >= kMost || -sum >= kMost) return false;
            write_whole(sum, row + 2 + 3 * i + j, kLimbs, 9);
          }
        }
        return integers(row, g);
      }
      const int64_t* move = p <= -std::fabs(q) ? a : p >= std::fabs(q) ? b : q < -std::fabs(p) ? b_ : a_;
      int64_t next[9];
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) {
          Whole sum = 0;
          for (int k = 0; k < 3; ++k) sum += Whole(move[3 * i + k]) * word[3 * k + j];
          if (sum >= kMost || -sum >= kMost) return false;
          next[3 * i + j] = int64_t(sum);
        }
      }
      std::copy_n(next, 9, word);
      double out[2];
      for (int i = 1; i < 3; ++i) {
        const auto wide = [](int64_t n) { return DD<double>(double(n), double(n - int64_t(double(n)))); };
        out[i - 1] = (shrunk * wide(word[3 * i]) + wide(word[3 * i + 1]) * row[0] + wide(word[3 * i + 2]) * row[1]).hi;
      }
      p = out[0];
      q = out[1];
    }
    return false;
  }
};

}  // namespace learn
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
