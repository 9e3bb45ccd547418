// Distances of every row x to every row y: kRows rows against a tile at a time, nothing larger than that in between.
//
// With Q = 2 sinh^2(sqrt(c) d/2) = a b |y - x|^2:  sqrt(c) d = arcosh(1 + Q) = log(1 + Q + sqrt(Q^2 + 2Q)), a sum of
// positive terms: one root, one logarithm.  Differences of coordinates are right to their last bit, so nothing cancels.
// The factors carry what may be close to the rim; lift.h forms them in twofold precision.
#pragma once

#include "job.h"
#include "wide.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace pairwise {

using namespace panels;

template <class C>
constexpr double kMost = sizeof(C) == 4 ? 0x1p60 : 0x1p500;  // Q^2 stays finite
constexpr int kBlock = kLanes == 8 ? 4 : 2;                   // registers of rows y at a time
constexpr int kChunk = 16;                                    // coordinates summed plainly
constexpr int kPanel = 64;  // rows x between two roundings to double, and the pages of a matrix worked on at once

template <class C>
struct Tile {
  const C *x, *x_low, *a;  // of kRows rows
  const C *y, *y_low, *b;  // of the tile
  int64_t d;
  Tile(const Job& job, int64_t i, int64_t first)
      : x(static_cast<const C*>(job.x) + i * job.d),
        x_low(static_cast<const C*>(job.x_low) + (job.x_low ? i * job.d : 0)),
        a(static_cast<const C*>(job.a) + i),
        y(static_cast<const C*>(job.y) + first * job.d),
        y_low(static_cast<const C*>(job.y_low) + (job.y_low ? first * job.d : 0)),
        b(static_cast<const C*>(job.b) + first),
        d(job.d) {}
};

// |y - x|^2 over coordinates [first, last), of kRows rows x and kBlock registers of rows y from j on.
template <class C, bool twofold>
HYPGEO_HD void add_squares(const Tile<C>& t, int j, int64_t first, int64_t last, Wide<C> (&sum)[kRows][kBlock]) {
  constexpr int W = kWide<C>;
  using V = Wide<C>;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int u = 0; u < kBlock; ++u) sum[r][u] = V{};
  }
  for (int64_t k = first; k < last; ++k) {
    V y[kBlock], low[kBlock];
#pragma GCC unroll 4
    for (int u = 0; u < kBlock; ++u) {
      y[u] = load(t.y + k * tile_of<C> + j + u * W);
      if constexpr (twofold) low[u] = load(t.y_low + k * tile_of<C> + j + u * W);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const V x = all(t.x[r * t.d + k]);
      V x_low;
      if constexpr (twofold) x_low = all(t.x_low[r * t.d + k]);
#pragma GCC unroll 4
      for (int u = 0; u < kBlock; ++u) {
        V w = y[u] - x;
        if constexpr (twofold) w += low[u] - x_low;
        sum[r][u] = fma(w, w, sum[r][u]);
      }
    }
  }
}

// The same over all of many coordinates; sums of chunks are compensated, so that the error does not grow with d.
template <class C, bool twofold>
__attribute__((noinline)) void add_many_squares(const Tile<C>& t, int j, Wide<C> (&sum)[kRows][kBlock]) {
  using V = Wide<C>;
  V part[kRows][kBlock], rest[kRows][kBlock] = {};
  add_squares<C, twofold>(t, j, 0, kChunk, sum);
  for (int64_t first = kChunk; first < t.d; first += kChunk) {
    add_squares<C, twofold>(t, j, first, first + kChunk < t.d ? first + kChunk : t.d, part);
    for (int r = 0; r < kRows; ++r) {
      for (int u = 0; u < kBlock; ++u) {
        const V before = sum[r][u], now = before + part[r][u], added = now - before;
        rest[r][u] += (before - (now - added)) + (part[r][u] - added);
        sum[r][u] = now;
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int u = 0; u < kBlock; ++u) sum[r][u] += rest[r][u];
  }
}

// Q of kRows rows x and a tile; infinite where |y - x|^2 < least.  most: the largest Q of each row, lane by lane.
template <class C, bool twofold>
void quadrances(const Tile<C>& t, double least, C (*q)[tile_of<C>], Wide<C>* most) {
  constexpr int W = kWide<C>;
  using V = Wide<C>;
  const V small = all(C(least)), infinite = all(C(__builtin_inf()));
  V a[kRows], largest[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    largest[r] = V{};
    a[r] = all(t.a[r]);
  }
  for (int j = 0; j < tile_of<C>; j += kBlock * W) {
    V sum[kRows][kBlock];
    if (t.d <= kChunk) {
      add_squares<C, twofold>(t, j, 0, t.d, sum);
    } else {
      add_many_squares<C, twofold>(t, j, sum);
    }
#pragma GCC unroll 4
    for (int u = 0; u < kBlock; ++u) {
      const V b = load(t.b + j + u * W);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const V v = sum[r][u] * (b * a[r]), value = sum[r][u] >= small ? v : infinite;
        largest[r] = largest[r] > value ? largest[r] : value;
        store(q[r] + j + u * W, value);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) most[r] = largest[r];
}

// T: what distances are formed in.
template <class C, class T>
bool exceeds(Wide<C> most) {
  for (int l = 0; l < kWide<C>; ++l) {
    if (!(most[l] <= C(kMost<T>))) return true;
  }
  return false;
}

// Hands over the pairs of a row and a tile that want the exact op.
template <class C, class T>
__attribute__((noinline)) void hand_over(const Job& job, int64_t i, int64_t first, int live, const C* q) {
  for (int j = 0; j < live; ++j) {
    if (!(q[j] <= C(kMost<T>))) job.open(job.list, i, first + j);
  }
}

// sqrt(Q^2 + 2Q)
template <class V>
HYPGEO_HD V sine(V q) {
  return root(fma(q, q, q + q));
}

// Distances from the Q of one row and a tile, `live` of them.
template <class C, class T>
void distances(const C* q, const Job& job, int live, T* to) {
  constexpr int W = kWide<T>;
  const T high = T(job.scale);
  const Wide<T> by = all(high), rest = all(T((job.scale - double(high)) + job.scale_low));
  for (int j = 0; j < live; j += W) {
    Wide<T> v;
    if constexpr (sizeof(C) == sizeof(T)) {
      v = load(q + j);
    } else {
      v = narrow(load(q + j), load(q + j + kWide<C>));
    }
    const Wide<T> s = sine(v), sum = s + v, far = log1p(sum, v - (sum - s));  // s > v: Fast2Sum
    v = fma(far, by, far * rest);
    if (j + W > live) {
      __builtin_memcpy(to + j, &v, size_t(live - j) * sizeof(T));
    } else {
      store(to + j, v);
    }
  }
}

template <class C, class T, bool twofold>
void forward(const Job& job, int64_t begin, int64_t end) {
  constexpr int width = tile_of<C>;
  alignas(64) C q[kRows][width];
  Wide<C> most[kRows];
  // A panel of the matrix at a time: its pages are written while they are in the cache.
  for (int64_t from = begin; from < end; from += kPanel) {
    const int64_t to_row = from + kPanel < end ? from + kPanel : end;
    for (int64_t first = 0; first < job.m; first += width) {
      const int live = int(job.m - first < width ? job.m - first : width);
      for (int64_t i = from; i < to_row; i += kRows) {
        quadrances<C, twofold>(Tile<C>(job, i, first), job.least, q, most);
        for (int r = 0; r < kRows && i + r < to_row; ++r) {
          T* to = static_cast<T*>(job.out) + (i + r) * job.m + first;
          distances<C, T>(q[r], job, live, to);
          if (exceeds<C, T>(most[r])) hand_over<C, T>(job, i + r, first, live, q[r]);
        }
      }
    }
  }
}

// ---- backward

template <class C, class T>
HYPGEO_HD Wide<C> upstream(const T* p, int live) {
  if (live < kWide<C>) {
    C part[kWide<C>] = {};
    for (int l = 0; l < live; ++l) part[l] = C(p[l]);
    return load(part);
  }
  if constexpr (sizeof(C) == sizeof(T)) {
    return load(p);
  } else {
    return widen(p);
  }
}

// asinh t - t/sqrt(1 + t^2), t^2 = Q/2: from the distance, or by its series t^3 (1/3 - 3/10 t^2 + ...), interpolated at
// Chebyshev nodes on t^2 < 1/4 (2^-58).
template <class C>
HYPGEO_HD Wide<C> bend(Wide<C> q, Wide<C> half_distance) {
  using V = Wide<C>;
  constexpr double coef[] = {-0.030406527629194006, 0.084766214856982863, -0.12963421255001152, 0.15403530566165329,
                             -0.16648112146899071,  0.17552509608197540,  -0.18481062469894613, 0.19550654827782715,
                             -0.20823311309291171,  0.22372158905735199,  -0.24305555552119696, 0.26785714285680924,
                             -0.29999999999999872,  0.33333333333333333};
  const V t2 = C(0.5) * q, t = root(t2);
  V p = all(C(coef[0]));
#pragma GCC unroll 14
  for (int i = 1; i < 14; ++i) p = fma(p, t2, all(C(coef[i])));
  return t2 < C(0.25) ? t2 * t * p : half_distance - over(t, root(t2 + C(1)));
}

// For the rows of a tile: from Q and the upstream gradient G, the factors 2 k a b of the differences with
// k = G / (sqrt(c) sqrt(Q^2 + 2Q)), the sums of k Q, and what is left of the derivative in c.
template <class C, class T>
void slopes(const Job& job, const Tile<C>& t, int64_t i, int64_t first, int r, int live, C* q, C* pull_y) {
  constexpr int W = kWide<C>;
  using V = Wide<C>;
  const T* grad = static_cast<const T*>(job.grad) + i * job.m + first;
  const T* out = static_cast<const T*>(job.out) + i * job.m + first;
  const V scale = all(C(job.scale)), per_scale = all(C(1.0 / job.scale)), a = all(t.a[r]), one = all(C(1)), most = all(C(kMost<C>));
  V pull_x = V{}, curve = V{};
  for (int j = 0; j < tile_of<C>; j += W) {
    V v = load(q + j), g = V{};
    if (j < live) g = upstream<C, T>(grad + j, live - j);
    const auto good = v <= most;
    v = good ? v : one;
    g = good ? g : V{};
    const V k = g * over(scale, sine(v)), b = load(t.b + j), pull = k * v;
    store(q + j, good ? (k + k) * (a * b) : V{});
    store(pull_y + j, load(pull_y + j) + pull);
    pull_x += pull;
    if (job.curving != Curving::kNone && j < live) {
      const V half = upstream<C, T>(out + j, live - j) * (C(0.5) * per_scale);
      if (job.curving == Curving::kChord) {
        curve -= g * half;  // the coordinates and factors do not depend on c
      } else {
        curve -= g * bend<C>(v, half);
      }
      if (job.curving == Curving::kTimes) {
        // Q of a chord of the hyperboloid changes by Q/c - (Y - X)^2/(2c X Y), X = a - 1, Y = 2b - 1
        const V X = a - one, Y = (b + b) - one, rise = Y - X;
        curve -= k * per_scale * over(rise * rise, X * Y) * C(0.5);
      }
    }
  }
  job.pull_x[i] += total<C>(pull_x);
  if (job.curving != Curving::kNone) *job.curve += total<C>(curve);
}

// sum_x -= factor (y - x) summed over the tile, sum_y += the same summed over the rows.
template <class C, bool twofold>
void spread(const Job& job, const Tile<C>& t, int64_t i, int rows, const C (*factor)[tile_of<C>], C* sum_y) {
  constexpr int W = kWide<C>, width = tile_of<C>;
  using V = Wide<C>;
  for (int64_t k = 0; k < t.d; ++k) {
    V sum[kRows] = {}, x[kRows], x_low[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      x[r] = all(t.x[r * t.d + k]);
      if constexpr (twofold) x_low[r] = all(t.x_low[r * t.d + k]);
    }
    for (int j = 0; j < width; j += W) {
      const V y = load(t.y + k * width + j);
      V low, into = load(sum_y + k * width + j);
      if constexpr (twofold) low = load(t.y_low + k * width + j);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        V w = y - x[r];
        if constexpr (twofold) w += low - x_low[r];
        const V f = load(factor[r] + j);
        sum[r] = fma(f, w, sum[r]);
        into = fma(f, w, into);
      }
      store(sum_y + k * width + j, into);
    }
    for (int r = 0; r < rows; ++r) job.sum_x[(i + r) * t.d + k] -= total<C>(sum[r]);
  }
}

template <class C, class T, bool twofold>
void backward(const Job& job, int64_t begin, int64_t end) {
  constexpr int width = tile_of<C>;
  alignas(64) C q[kRows][width];
  Wide<C> most[kRows];
  // sums over the rows of a panel: d coordinates, then the pulls
  const size_t size = size_t(job.d + 1) * width;
  C* panel = static_cast<C*>(__builtin_malloc(size * sizeof(C)));
  for (int64_t first = 0; first < job.m; first += width) {
    const int live = int(job.m - first < width ? job.m - first : width);
    for (int64_t from = begin; from < end; from += kPanel) {
      const int64_t to = from + kPanel < end ? from + kPanel : end;
      __builtin_memset(panel, 0, size * sizeof(C));
      C* pull_y = panel + job.d * width;
      for (int64_t i = from; i < to; i += kRows) {
        const Tile<C> t(job, i, first);
        const int rows = int(to - i < kRows ? to - i : kRows);
        quadrances<C, twofold>(t, job.least, q, most);
        for (int r = 0; r < rows; ++r) {
          if (exceeds<C, T>(most[r])) hand_over<C, T>(job, i + r, first, live, q[r]);
          slopes<C, T>(job, t, i + r, first, r, live, q[r], pull_y);
        }
        for (int r = rows; r < kRows; ++r) __builtin_memset(q[r], 0, sizeof(q[r]));
        spread<C, twofold>(job, t, i, rows, q, panel);
      }
      double* sum = job.sum_y + first * job.d;
      for (int64_t j = 0; j < job.d * width; ++j) sum[j] += double(panel[j]);
      for (int j = 0; j < live; ++j) job.pull_y[first + j] += double(pull_y[j]);
    }
  }
  __builtin_free(panel);
}

}  // namespace pairwise
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
