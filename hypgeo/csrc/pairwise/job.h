// What the torch side hands to the kernels of pairwise distances: plain tables, no torch.
//
// In every model sinh^2(sqrt(c) d/2) = a_i b_j |y_j - x_i|^2 / 2 for coordinates and a factor that belong to one row
// alone (lift.h).  The rows x stand one after the other, padded to a multiple of kRows; the rows y in tiles of
// tile_of<C> rows, each coordinate of a tile contiguous (row index = SIMD lane), padded likewise.
#pragma once

#include <cstdint>

namespace hypgeo::panels {

constexpr int kRows = 4;          // rows x at a time
constexpr int kTileBytes = 2048;  // one coordinate of a tile
template <class C>
constexpr int tile_of = kTileBytes / int(sizeof(C));

enum Kind { kFloat, kFloatInDouble, kDouble, kTwofold };  // the rows' type, and the coordinates'
// What the derivative in c asks of a pair: nothing, or what is left of it when rows keep their coordinates
// (half-space), when their factors have been seen to (ball), or when rows are ends of a chord (hyperboloid).
enum class Curving { kNone, kChord, kNested, kTimes };

struct Job {
  int64_t n = 0, m = 0, d = 0;
  const void *x = nullptr, *x_low = nullptr, *a = nullptr;  // type C; low parts for kTwofold only
  const void *y = nullptr, *y_low = nullptr, *b = nullptr;
  double scale = 1.0, scale_low = 0.0;  // 1/sqrt(c) in two parts
  double least = 0.0;  // the smallest |y - x|^2 that is right to the last bits
  void* out = nullptr;  // (n, m)
  // backward
  const void* grad = nullptr;                // (n, m)
  double *sum_x = nullptr, *sum_y = nullptr;  // the sums of factor (x - y), (d per row), y in tiles
  double *pull_x = nullptr, *pull_y = nullptr;  // the derivatives in log a and log b
  Curving curving = Curving::kNone;
  double* curve = nullptr;  // what is left of the derivative in c
  // A pair that wants the exact op: distance or gradient of (i, j) is left out.
  void (*open)(void* list, int64_t i, int64_t j) = nullptr;
  void* list = nullptr;
};

// Rows [begin, end) of x against all of y; begin a multiple of kRows.
struct Kernels {
  void (*forward)(const Job&, int64_t begin, int64_t end);
  void (*backward)(const Job&, int64_t begin, int64_t end);
};

}  // namespace hypgeo::panels
