// What a GPU runs: the CPU's own templates with one lane, a thread to a number, to a piece of a line, or to a cell of a
// product.  No torch here; who includes this says how kernels are launched.
#pragma once

#include <algorithm>

#include "elementwise.h"
#include "lines.h"
#include "product.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

constexpr int kThreads = 128;
constexpr int kTile = 16;        // a block computes kTile x kTile cells from panels in shared memory
constexpr int64_t kPiece = 64;   // of a line that is cut, so that few long lines keep a GPU busy
constexpr int64_t kGroup = 32;   // sums that one thread joins
constexpr int64_t kManyLines = 1 << 15;

HYPGEO_HD int64_t pieces_of(int64_t count, int64_t length) { return (count + length - 1) / length; }
inline int64_t blocks_for(int64_t count) { return std::min<int64_t>(pieces_of(count, kThreads), 1 << 16); }

#define HYPGEO_EACH(i, count) \
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < (count); i += int64_t(gridDim.x) * kThreads)
#define HYPGEO_KERNEL __global__ void __launch_bounds__(kThreads, 1)

// ---- element by element

// Arithmetic has kernels of its own: they take fewer registers than the functions do.
template <class T, int N, bool kArithmetic>
HYPGEO_KERNEL elementwise_kernel(const __grid_constant__ Elementwise job, int64_t count) {
  HYPGEO_EACH(i, count) run_elementwise<T, N, kArithmetic>(job, i, i + 1);
}
template <class T, int N, class Launch>
void run_elementwise_on(const Launch& launch, const Elementwise& job, int64_t count) {
  const auto kernel = job.op <= Op::kDiv ? elementwise_kernel<T, N, true> : elementwise_kernel<T, N, false>;
  launch(kernel, blocks_for(count), kThreads, job, count);
}

template <class T, int N>
HYPGEO_KERNEL split_kernel(Split job, int64_t count) {
  HYPGEO_EACH(i, count) run_split<T, N>(job, i, i + 1);
}
template <class T, int N, class Launch>
void run_split_on(const Launch& launch, const Split& job, int64_t count) {
  launch(split_kernel<T, N>, blocks_for(count), kThreads, job, count);
}

// ---- lines

template <class T, int N>
using Sum = Total<double, kWidth<T, N>>;
template <class T, int N>
using Factor = Factors<double, kWidth<T, N>>;

// Lines cut into pieces of `length`; piece p of line l is number p * lines + l.
struct Cut {
  int64_t lines = 0, pieces = 0, length = 0;
};
inline Cut cut(const Lines& job, int64_t lines, bool running) {
  if (lines >= kManyLines || job.count <= 2 * kPiece) return {lines, 1, job.count};
  // A thread goes through the pieces of a line where sums run on: as many as a piece is long.
  int64_t length = kPiece;
  while (running && length * length < job.count) length *= 2;
  return {lines, pieces_of(job.count, length), length};
}

template <class F, class T, int N>
HYPGEO_KERNEL fold_kernel(const __grid_constant__ Lines job, Cut cut, F* parts) {
  const T* x = static_cast<const T*>(job.x);
  HYPGEO_EACH(i, cut.lines * cut.pieces) {
    const int64_t begin = i / cut.lines * cut.length, rest = job.count - begin;
    int64_t at = start<N>(job, i % cut.lines) + begin * job.inner * N;
    F part;
    for (int64_t j = 0; j < (rest < cut.length ? rest : cut.length); ++j) {
      part.add(load<T, N, double>(x, &at));
      at += job.inner * N;
    }
    parts[i] = part;
  }
}
template <class F>
HYPGEO_KERNEL join_kernel(const F* parts, int64_t lines, int64_t pieces, F* joined) {
  HYPGEO_EACH(i, lines * pieces_of(pieces, kGroup)) {
    F part;
    const int64_t begin = i / lines * kGroup;
    for (int64_t p = begin; p < begin + kGroup && p < pieces; ++p) part.join(parts[p * lines + i % lines]);
    joined[i] = part;
  }
}
template <class F, class T, int N>
HYPGEO_KERNEL value_kernel(const F* parts, int64_t lines, T* out) {
  HYPGEO_EACH(i, lines) store<T, N, double>(parts[i].value(), out + i * N, 1);
}
template <class F>
HYPGEO_KERNEL prefix_kernel(F* parts, Cut cut) {  // each becomes the sum of those before it
  HYPGEO_EACH(i, cut.lines) {
    F before;
    for (int64_t p = 0; p < cut.pieces; ++p) {
      const F now = parts[p * cut.lines + i];
      parts[p * cut.lines + i] = before;
      before.join(now);
    }
  }
}
template <class T, int N>
HYPGEO_KERNEL cumsum_kernel(const __grid_constant__ Lines job, Cut cut, const Sum<T, N>* before) {
  const T* x = static_cast<const T*>(job.x);
  T* out = static_cast<T*>(job.out);
  HYPGEO_EACH(i, cut.lines * cut.pieces) {
    const int64_t begin = i / cut.lines * cut.length, rest = job.count - begin;
    int64_t at = start<N>(job, i % cut.lines) + begin * job.inner * N;
    Sum<T, N> total;
    if (cut.pieces > 1) total = before[i];
    for (int64_t j = 0; j < (rest < cut.length ? rest : cut.length); ++j) {
      total.add(load<T, N, double>(x, &at));
      store<T, N, double>(total.value(), out + at, 1);
      at += job.inner * N;
    }
  }
}
template <class T, int N, bool kProduct>
HYPGEO_KERNEL whole_lines_kernel(const __grid_constant__ Lines job, int64_t lines) {
  HYPGEO_EACH(i, lines) kProduct ? run_prod<T, N>(job, i, i + 1) : run_sum<T, N>(job, i, i + 1);
}

// room(bytes) gives memory on the GPU that lasts until the kernels have run.
template <class T, int N, class F, class Launch, class Room>
void fold_on(const Launch& launch, const Room& room, const Lines& job, int64_t lines) {
  constexpr bool kProduct = std::is_same_v<F, Factor<T, N>>;
  const Cut pieces = cut(job, lines, false);
  if (pieces.pieces == 1) return launch(whole_lines_kernel<T, N, kProduct>, blocks_for(lines), kThreads, job, lines);
  int64_t left = pieces.pieces, joined = pieces_of(left, kGroup);
  F* parts = static_cast<F*>(room(int64_t(sizeof(F)) * lines * (left + joined)));
  F* others = parts + lines * left;
  launch(fold_kernel<F, T, N>, blocks_for(lines * left), kThreads, job, pieces, parts);
  while (left > 1) {
    joined = pieces_of(left, kGroup);
    launch(join_kernel<F>, blocks_for(lines * joined), kThreads, static_cast<const F*>(parts), lines, left, others);
    left = joined;
    F* last = parts;
    parts = others;
    others = last;
  }
  T* out = static_cast<T*>(job.out);
  launch(value_kernel<F, T, N>, blocks_for(lines), kThreads, static_cast<const F*>(parts), lines, out);
}
template <class T, int N, class Launch, class Room>
void run_lines_on(const Launch& launch, const Room& room, const Lines& job, int64_t lines, int64_t kind) {
  if (kind == 0) return fold_on<T, N, Sum<T, N>>(launch, room, job, lines);
  if (kind == 2) return fold_on<T, N, Factor<T, N>>(launch, room, job, lines);
  if (job.count == 0) return;
  const Cut pieces = cut(job, lines, true);
  Sum<T, N>* parts = nullptr;
  const int64_t many = pieces.lines * pieces.pieces;
  if (pieces.pieces > 1) {
    parts = static_cast<Sum<T, N>*>(room(int64_t(sizeof(Sum<T, N>)) * many));
    launch(fold_kernel<Sum<T, N>, T, N>, blocks_for(many), kThreads, job, pieces, parts);
    launch(prefix_kernel<Sum<T, N>>, blocks_for(lines), kThreads, parts, pieces);
  }
  launch(cumsum_kernel<T, N>, blocks_for(many), kThreads, job, pieces, static_cast<const Sum<T, N>*>(parts));
}

// ---- matrix products

// Pairs go without a guarding part, as on the CPU.
template <class T, int N>
constexpr int kParts = std::is_same_v<T, double> && N == 2 ? 2 : kWidth<T, N>;

template <int P>
HYPGEO_HD void add_product(Ex<double, P>& s, const Ex<double, P>& x, const Ex<double, P>& y, bool calm) {
  if (!calm) {
    const Scaled<double, P> p = product<double, P>(x, y);
    s = s + (p.k != 0.0 ? scaled_by(p.m, p.k) : p.m);
  } else if constexpr (P == 2) {
    DD<double> sum(s[0], s[1]);
    add_product<double>(sum, DD<double>(x[0], x[1]), DD<double>(y[0], y[1]));
    s = of<double>(sum);
  } else {
    s = s + x * y;
  }
}
// As ops.cpp asks it of whole matrices on the CPU.
HYPGEO_HD bool is_calm(double a) { return a == 0.0 || (std::fabs(a) > 0x1p-300 && std::fabs(a) < 0x1p300); }

// job.a (batch, rows, k), job.b (batch, k, n), job.c (batch, rows, n); a block to a tile of c.
template <class T, int N>
__global__ void __launch_bounds__(kTile* kTile, 1) product_kernel(const __grid_constant__ Product job, int64_t rows) {
  constexpr int W = kWidth<T, N>, P = kParts<T, N>;
  __shared__ Ex<double, P> left[kTile][kTile], right[kTile][kTile];
  const int x = int(threadIdx.x) % kTile, y = int(threadIdx.x) / kTile;
  const int64_t down = pieces_of(rows, kTile), across = pieces_of(job.n, kTile);
  const int64_t batch = blockIdx.x / (down * across), tile = blockIdx.x % (down * across);
  const int64_t row = tile / across * kTile + y, column = tile % across * kTile + x;
  const T* a = static_cast<const T*>(job.a) + batch * rows * job.k * N;
  const T* b = static_cast<const T*>(job.b) + batch * job.k * job.n * N;
  T* c = static_cast<T*>(job.c) + batch * rows * job.n * N;
  const auto given = [](const T* from, bool inside, int64_t i) {
    const int64_t at = i * N;
    return inside ? to<P>(load<T, N, double>(from, &at)) : Ex<double, P>{};
  };
  Ex<double, P> s{};
  double lead = 0.0;  // of the leading components alone: what is infinite or nan
  for (int64_t first = 0; first < job.k; first += kTile) {
    const int64_t i = first + x, j = first + y;
    const Ex<double, P> p = given(a, row < rows && i < job.k, row * job.k + i);
    const Ex<double, P> q = given(b, column < job.n && j < job.k, j * job.n + column);
    left[y][x] = p;
    right[y][x] = q;
    const bool calm = __syncthreads_and(is_calm(p[0]) && is_calm(q[0]));
    for (int t = 0; t < kTile; ++t) {
      lead += left[y][t][0] * right[t][x][0];
      add_product<P>(s, left[y][t], right[t][x], calm);
    }
    __syncthreads();
  }
  if (row >= rows || column >= job.n) return;
  const bool good = s[0] - s[0] == 0.0 && lead - lead == 0.0;
  store<T, N, double>({good ? to<W>(s) : number<double, W>(lead), 0.0}, c + (row * job.n + column) * N, 1);
}
template <class T, int N, class Launch>
void run_product_on(const Launch& launch, const Product& job, int64_t batch, int64_t rows) {
  launch(product_kernel<T, N>, batch * pieces_of(rows, kTile) * pieces_of(job.n, kTile), kTile * kTile, job, rows);
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
