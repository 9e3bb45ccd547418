// Every CPU loop over rows: kLanes rows at a time, row index = SIMD lane, in values that carry error bounds.
//
// A row is written when its bound shows it right (Trust); else it is redone one level up: double, then twofold double for
// float32 rows, twofold double alone for float64 rows, and Job::slow (arbitrary precision) for what is left.
// A. Ziv. Fast evaluation of elementary mathematical functions with correctly rounded last bit. ACM TOMS 17 (1991).
#pragma once

#include <cstdlib>
#include <memory>

#include "../gram/levels.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

// Planes of coordinates, one vector of lanes to a coordinate; a thread keeps its own.
struct Scratch {
  Lanes* data = nullptr;
  size_t size = 0;
  Lanes* reserve(size_t planes) {
    if (planes > size) {
      std::free(data);
      size = planes;
      data = static_cast<Lanes*>(std::aligned_alloc(64, (planes * sizeof(Lanes) + 63) / 64 * 64));
    }
    return data;
  }
  ~Scratch() { std::free(data); }
};

// The rows as levels.h wants them, and u behind them.
struct Planes {
  Lanes* data;
  int64_t k;
  int rows;
  Lanes raw(int j, int64_t i) const { return data[j * k + i]; }
  Lanes u(int64_t i) const { return data[rows * k + i]; }
};

// ---- loading and storing: rows to planes and back

#if defined(__AVX512F__)
// An 8 x 8 block: rows in, columns out, in place.  Three rounds of exchanging halves.
template <class W>
HYPGEO_HD void transpose8(W* r) {
  W t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}
HYPGEO_HD Lanes widened(Vec<8> x) { return x; }
HYPGEO_HD Lanes widened(VectorOf<float, 8>::type x) { return Lanes(_mm512_cvtps_pd(__m256(x))); }
template <class T>
HYPGEO_HD auto narrowed(Lanes x) {
  if constexpr (sizeof(T) == 8) {
    return x;
  } else {
    return VectorOf<float, 8>::type(_mm512_cvtpd_ps(__m512d(x)));
  }
}
#endif

template <class T>
void load(const Operand& o, int64_t first, int64_t column, int live, int64_t k, Lanes* to) {
  const T* p = static_cast<const T*>(o.data) + first * o.row + column * o.col;
  int64_t step[kLanes];
  for (int l = 0; l < kLanes; ++l) step[l] = (l < live ? l : live - 1) * o.row;  // the tail repeats its last row
  int64_t i = 0;
#if defined(__AVX512F__)
  if (o.col == 1 && k >= 8) {
    for (;;) {
      typename VectorOf<T, 8>::type r[8];
#pragma GCC unroll 8
      for (int l = 0; l < 8; ++l) __builtin_memcpy(&r[l], p + step[l] + i, sizeof(r[l]));
      transpose8(r);
#pragma GCC unroll 8
      for (int l = 0; l < 8; ++l) to[i + l] = widened(r[l]);
      if (i + 8 == k) return;
      i = i + 16 <= k ? i + 8 : k - 8;  // the last block overlaps
    }
  }
#endif
  for (; i < k; ++i) {
    Lanes v;
    for (int l = 0; l < kLanes; ++l) v[l] = double(p[step[l] + i * o.col]);
    to[i] = v;
  }
}

template <class T>
Lanes load_one(const Operand& o, int64_t first, int64_t column, int live) {
  Lanes v;
  load<T>(o, first, column, live, 1, &v);
  return v;
}

// Writes the lanes in mask of `width` planes as rows of a contiguous table.
template <class T>
void store(T* to, int64_t first, int64_t width, const Lanes* planes, unsigned mask) {
  T* p = to + first * width;
  int64_t i = 0;
#if defined(__AVX512F__)
  if (width >= 8) {
    for (;;) {
      typename VectorOf<T, 8>::type r[8];
#pragma GCC unroll 8
      for (int l = 0; l < 8; ++l) r[l] = narrowed<T>(planes[i + l]);
      transpose8(r);
#pragma GCC unroll 8
      for (int l = 0; l < 8; ++l) {
        if (mask >> l & 1) __builtin_memcpy(p + l * width + i, &r[l], sizeof(r[l]));
      }
      if (i + 8 == width) return;
      i = i + 16 <= width ? i + 8 : width - 8;
    }
  }
#endif
  if (mask == (1u << kLanes) - 1) {
    for (; i < width; ++i) {
      for (int l = 0; l < kLanes; ++l) p[l * width + i] = T(planes[i][l]);
    }
    return;
  }
  for (; i < width; ++i) {
    for (int l = 0; l < kLanes; ++l) {
      if (mask >> l & 1) p[l * width + i] = T(planes[i][l]);
    }
  }
}

// Whether rounded rows lie inside the rim, for the few lanes where that is in doubt.
template <class T>
bool inside(const T* row, int64_t columns, double c) {
  dd sum(0.0);
  for (int64_t i = 0; i < columns; ++i) sum += two_prod(double(row[i]), double(row[i]));
  return (dd(1.0) - sum * c).hi > 1e-30;
}

template <class Op, class T>
void load_block(const Job& job, int64_t first, int live, Lanes* planes, Block& block) {
  for (int j = 0; j < Op::rows; ++j) {
    load<T>(job.in[j], first, first_column(Op::in[j]), live, job.k, planes + j * job.k);
    if (reads_odd(Op::in[j])) block.odd[j] = load_one<T>(job.in[j], first, odd_column(Op::in[j], job.k), live);
  }
  if constexpr (Op::number) block.number = load_one<double>(job.number, first, 0, live);
  block.c = job.c.row ? load_one<double>(job.c, first, 0, live) : splat<Lanes>(*static_cast<const double*>(job.c.data));
}

// One compiled body for both dtypes.
template <class Op, class S>
__attribute__((noinline)) unsigned forward_planes(const Block& block, const Planes& rows, const Trust& trust,
                                                  unsigned want, Lanes* result) {
  return forward_level<Op, S>(block, rows, trust, want, [=](int64_t column, Lanes v) { result[column] = v; });
}

template <class Op, class T>
void forward_rows(const Job& job, int64_t begin, int64_t end) {
  static thread_local Scratch scratch;
  const int64_t k = job.k, width = columns(Op::out, k);
  const Planes rows{scratch.reserve(size_t((Op::rows + 1) * k + 2)), k, Op::rows};
  Lanes* result = rows.data + Op::rows * k;
  Block block{k};
  T* to = static_cast<T*>(job.out);
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    load_block<Op, T>(job, r, live, rows.data, block);
    const auto take = [&](unsigned sure) {
      store<T>(to, r, width, result, sure);
      if constexpr (in_ball(Op::out)) {
        Lanes size2 = Lanes{};
        for (int64_t i = 0; i < width; ++i) size2 = vfma<Lanes>(result[i], result[i], size2);
        const unsigned edge = sure & bits(block.c * size2 > (sizeof(T) == 4 ? 1.0 - 0x1p-20 : 1.0 - 0x1p-46));
        for (int l = 0; edge >> l; ++l) {
          if ((edge >> l & 1) && !inside(to + (r + l) * width, width, block.c[l])) sure &= ~(1u << l);
        }
      }
      want &= ~sure;
    };
    using First = FirstLevel<Op, Working<T>>;
    if constexpr (!std::is_same_v<First, Bounded<Twofold>>) {
      take(forward_planes<Op, First>(block, rows, kTrust<T>, want, result));
    }
    if (want) take(forward_planes<Op, Bounded<Twofold>>(block, rows, kTrust<T>, want, result));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

template <class Op, class S>
__attribute__((noinline)) unsigned backward_planes(const Block& block, const Planes& rows, const Trust& trust,
                                                   unsigned want, Gradients& to, Lanes* result) {
  const int64_t stride = block.k + 2;
  const auto put = [=](int j, int64_t column, Lanes v) { result[j * stride + column] = v; };
  if constexpr (Tape<S>::straight) {  // its own, that the compiler may take it apart
    Tape<S> tape;
    S adjoint[Tape<S>::kMost];
    return backward_level<Op, S>(block, rows, trust, want, to, tape, adjoint, put);
  } else {
    static thread_local std::unique_ptr<Tape<S>> tape(new Tape<S>);
    static thread_local std::unique_ptr<S[]> adjoint(new S[Tape<S>::kMost]);
    return backward_level<Op, S>(block, rows, trust, want, to, *tape, adjoint.get(), put);
  }
}

template <class Op, class T>
void backward_rows(const Job& job, int64_t begin, int64_t end) {
  static thread_local Scratch scratch;
  constexpr int K = Op::rows;
  const int64_t k = job.k;
  const Planes rows{scratch.reserve(size_t((2 * K + 1) * k + 2 * K)), k, K};  // the rows and u, and K gradients
  Lanes* result = rows.data + (K + 1) * k;
  Block block{k};
  Gradients to;
  for (int j = 0; j < K; ++j) to.row[j] = job.grad_in[j];
  to.wants_number = job.grad_number;
  to.wants_c = job.grad_c;
  for (int64_t r = begin; r < end; r += kLanes) {
    const int live = int(end - r < kLanes ? end - r : kLanes);
    unsigned want = (1u << live) - 1;
    load_block<Op, T>(job, r, live, rows.data, block);
    if constexpr (Op::out != Layout::kNumber) {
      load<T>(job.grad, r, first_column(Op::out), live, k, rows.data + K * k);
    }
    block.odd_grad = load_one<T>(job.grad, r, odd_column(Op::out, k), live);
    if constexpr (Op::out == Layout::kLorentzPointLast) block.time_grad = load_one<T>(job.grad, r, 0, live);
    const auto take = [&](unsigned sure) {
      for (int j = 0; j < K; ++j) {
        if (to.row[j]) store<T>(static_cast<T*>(job.grad_in[j]), r, columns(Op::in[j], k), result + j * (k + 2), sure);
      }
      if (to.wants_number) store<double>(job.grad_number, r, 1, &to.number, sure);
      if (to.wants_c) store<double>(job.grad_c, r, 1, &to.c, sure);
      want &= ~sure;
    };
    using First = FirstLevel<Op, Working<T>>;
    if constexpr (!std::is_same_v<First, Bounded<Twofold>>) {
      // derivatives in numbers are often small differences
      if (tracked<First> || !(to.wants_c || to.wants_number)) take(backward_planes<Op, First>(block, rows, kTrust<T>, want, to, result));
    }
    if (want) take(backward_planes<Op, Bounded<Twofold>>(block, rows, kTrust<T>, want, to, result));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
