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

// Where the rows of a block stand; a short block repeats its last row.
template <class T>
struct RowsAt {
  T* p[kLanes];
  RowsAt(T* first, int64_t stride, int live) {
    p[0] = first;
    for (int l = 1; l < kLanes; ++l) p[l] = p[l - 1] + (l < live ? stride : 0);
  }
};

#if defined(__AVX512F__)
// Eight rows of four coordinates to four planes, and back.  Where all four are there most moves are loads and stores of
// quarters of a register: what bounds the rest is the one unit that permutes.
template <bool whole>
HYPGEO_HD __m128 four(const float* p, __mmask8 some) { return whole ? _mm_loadu_ps(p) : _mm_maskz_loadu_ps(some, p); }
template <bool whole>
HYPGEO_HD __m256d four(const double* p, __mmask8 some) {
  return whole ? _mm256_loadu_pd(p) : _mm256_maskz_loadu_pd(some, p);
}
template <bool whole>
HYPGEO_HD void load_four(const RowsAt<const float>& at, int64_t i, __mmask8 some, Lanes* to) {
  const auto rows = [&](int l) {
    __m512 r = _mm512_castps128_ps512(four<whole>(at.p[l] + i, some));
    r = _mm512_insertf32x4(r, four<whole>(at.p[l + 1] + i, some), 1);
    r = _mm512_insertf32x4(r, four<whole>(at.p[l + 2] + i, some), 2);
    return _mm512_insertf32x4(r, four<whole>(at.p[l + 3] + i, some), 3);
  };
  const __m512 a = rows(0), b = rows(4);
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
  const __m512i next = _mm512_setr_epi32(2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
  const __m512 x = _mm512_permutex2var_ps(a, first, b), y = _mm512_permutex2var_ps(a, next, b);
  to[0] = Lanes(_mm512_cvtps_pd(_mm512_castps512_ps256(x)));
  to[1] = Lanes(_mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
  to[2] = Lanes(_mm512_cvtps_pd(_mm512_castps512_ps256(y)));
  to[3] = Lanes(_mm512_cvtps_pd(_mm512_extractf32x8_ps(y, 1)));
}
template <bool whole>
HYPGEO_HD void load_four(const RowsAt<const double>& at, int64_t i, __mmask8 some, Lanes* to) {
  const auto rows = [&](int l) {
    const __m512d r = _mm512_castpd256_pd512(four<whole>(at.p[l] + i, some));
    return _mm512_insertf64x4(r, four<whole>(at.p[l + 1] + i, some), 1);
  };
  const __m512d a = rows(0), b = rows(2), c = rows(4), d = rows(6);
  const __m512i first = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13), next = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
  const __m512d x = _mm512_permutex2var_pd(a, first, b), y = _mm512_permutex2var_pd(c, first, d);
  const __m512d z = _mm512_permutex2var_pd(a, next, b), w = _mm512_permutex2var_pd(c, next, d);
  to[0] = Lanes(_mm512_shuffle_f64x2(x, y, 0x44));
  to[1] = Lanes(_mm512_shuffle_f64x2(x, y, 0xee));
  to[2] = Lanes(_mm512_shuffle_f64x2(z, w, 0x44));
  to[3] = Lanes(_mm512_shuffle_f64x2(z, w, 0xee));
}
HYPGEO_HD void store_four(const RowsAt<float>& at, int64_t i, const Lanes* from) {
  const auto columns = [&](int j) {
    const __m512 r = _mm512_castps256_ps512(_mm512_cvtpd_ps(__m512d(from[j])));
    return _mm512_insertf32x8(r, _mm512_cvtpd_ps(__m512d(from[j + 1])), 1);
  };
  const __m512 x = columns(0), y = columns(2);
  const __m512i first = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
  const __m512i next = _mm512_setr_epi32(4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
  const __m512 r[] = {_mm512_permutex2var_ps(x, first, y), _mm512_permutex2var_ps(x, next, y)};
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    _mm_storeu_ps(at.p[4 * h] + i, _mm512_castps512_ps128(r[h]));
    _mm_storeu_ps(at.p[4 * h + 1] + i, _mm512_extractf32x4_ps(r[h], 1));
    _mm_storeu_ps(at.p[4 * h + 2] + i, _mm512_extractf32x4_ps(r[h], 2));
    _mm_storeu_ps(at.p[4 * h + 3] + i, _mm512_extractf32x4_ps(r[h], 3));
  }
}
HYPGEO_HD void store_four(const RowsAt<double>& at, int64_t i, const Lanes* from) {
  const __m512d a = __m512d(from[0]), b = __m512d(from[1]), c = __m512d(from[2]), d = __m512d(from[3]);
  const __m512i even = _mm512_setr_epi64(0, 8, 2, 10, 4, 12, 6, 14), odd = _mm512_setr_epi64(1, 9, 3, 11, 5, 13, 7, 15);
  const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  const __m512d e = _mm512_permutex2var_pd(a, even, b), f = _mm512_permutex2var_pd(c, even, d);
  const __m512d g = _mm512_permutex2var_pd(a, odd, b), h = _mm512_permutex2var_pd(c, odd, d);
  const __m512d r[] = {_mm512_permutex2var_pd(e, low, f), _mm512_permutex2var_pd(g, low, h),
                       _mm512_permutex2var_pd(e, high, f), _mm512_permutex2var_pd(g, high, h)};
#pragma GCC unroll 4
  for (int l = 0; l < 4; ++l) {
    _mm256_storeu_pd(at.p[l] + i, _mm512_castpd512_pd256(r[l]));
    _mm256_storeu_pd(at.p[l + 4] + i, _mm512_extractf64x4_pd(r[l], 1));
  }
}
#endif

// Apart from its callers, which are many.
template <class T>
__attribute__((noinline)) void load(const Operand& o, int64_t first, int64_t column, int live, int64_t k, Lanes* to) {
  const RowsAt<const T> at(static_cast<const T*>(o.data) + first * o.row + column * o.col, o.row, live);
#if defined(__AVX512F__)
  if (o.col == 1 && k >= 4) {
    for (int64_t i = 0;; i = i + 8 <= k ? i + 4 : k - 4) {  // the last block overlaps
      load_four<true>(at, i, 0, to + i);
      if (i + 4 == k) return;
    }
  }
  if (o.col == 1 && k > 1) {
    Lanes all[4];
    load_four<false>(at, 0, __mmask8((1u << k) - 1), all);
    for (int64_t i = 0; i < k; ++i) to[i] = all[i];
    return;
  }
#endif
  for (int64_t i = 0; i < k; ++i) {
    Lanes v;
    for (int l = 0; l < kLanes; ++l) v[l] = double(at.p[l][i * o.col]);
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
__attribute__((noinline)) void store(T* to, int64_t first, int64_t width, const Lanes* planes, unsigned mask) {
  T* p = to + first * width;
  constexpr unsigned all = (1u << kLanes) - 1;
#if defined(__AVX512F__)
  if (width >= 4 && mask == all) {
    const RowsAt<T> at(p, width, kLanes);
    for (int64_t i = 0;; i = i + 8 <= width ? i + 4 : width - 4) {
      store_four(at, i, planes + i);
      if (i + 4 == width) return;
    }
  }
  if (width == 1 && mask == all) {
    if constexpr (sizeof(T) == 4) {
      _mm256_storeu_ps(p, _mm512_cvtpd_ps(__m512d(planes[0])));
    } else {
      _mm512_storeu_pd(p, __m512d(planes[0]));
    }
    return;
  }
#endif
  if (mask == all) {
    for (int64_t i = 0; i < width; ++i) {
      for (int l = 0; l < kLanes; ++l) p[l * width + i] = T(planes[i][l]);
    }
    return;
  }
  for (int64_t i = 0; i < width; ++i) {
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

// Two blocks at once: what one waits for, the other fills.
template <class Op, class S>
__attribute__((noinline)) void forward_planes(const Block* const* block, const Planes* const* rows, const Trust& trust,
                                              unsigned* want, Lanes* const* result) {
  Value<Op, S, Planes> a(*block[0], *rows[0]), b(*block[1], *rows[1]);
  const unsigned fit_a = a.fits(want[0]), fit_b = b.fits(want[1]);
  a.evaluate();
  b.evaluate();
  want[0] = a.write(trust, fit_a, [=](int64_t column, Lanes v) { result[0][column] = v; });
  want[1] = b.write(trust, fit_b, [=](int64_t column, Lanes v) { result[1][column] = v; });
}

template <class Op, class T>
void forward_rows(const Job& job, int64_t begin, int64_t end) {
  static thread_local Scratch scratch;
  using First = FirstLevel<Op, Working<T>>;
  constexpr int kBlocks = std::is_same_v<Working<T>, Lanes> ? 2 : 1;  // twofold blocks keep every unit busy alone
  const int64_t k = job.k, width = columns(Op::out, k), size = (Op::rows + 1) * k + 2;
  Lanes* const planes = scratch.reserve(size_t(kBlocks * size));
  T* const to = static_cast<T*>(job.out);
  Block block[kBlocks];
  for (int64_t start = begin; start < end; start += kBlocks * kLanes) {
    const int blocks = kBlocks == 2 && start + kLanes < end ? 2 : 1;
    unsigned want[2] = {}, sure[2] = {};
    for (int i = 0; i < blocks; ++i) {
      const int64_t r = start + i * kLanes;
      const int live = int(end - r < kLanes ? end - r : kLanes);
      want[i] = sure[i] = (1u << live) - 1;
      block[i].k = k;
      load_block<Op, T>(job, r, live, planes + i * size, block[i]);
    }
    const auto rows = [&](int i) { return Planes{planes + i * size, k, Op::rows}; };
    const auto result = [&](int i) { return planes + i * size + Op::rows * k; };
    if constexpr (kBlocks == 2) {
      const int other = blocks - 1;
      const Planes first = rows(0), second = rows(other);
      const Block* const both[] = {block, block + other};
      const Planes* const both_rows[] = {&first, &second};
      Lanes* const both_results[] = {result(0), result(other)};
      forward_planes<Op, First>(both, both_rows, kTrust<T>, sure, both_results);
    } else if constexpr (!std::is_same_v<First, Bounded<Twofold>>) {
      sure[0] = forward_planes<Op, First>(block[0], rows(0), kTrust<T>, want[0], result(0));
    } else {
      sure[0] = 0;
    }
    for (int i = 0; i < blocks; ++i) {
      const int64_t r = start + i * kLanes;
      const auto take = [&](unsigned good) {
        store<T>(to, r, width, result(i), good);
        if constexpr (in_ball(Op::out)) {
          Lanes size2 = Lanes{};
          for (int64_t j = 0; j < width; ++j) size2 = vfma<Lanes>(result(i)[j], result(i)[j], size2);
          const unsigned edge = good & bits(block[i].c * size2 > (sizeof(T) == 4 ? 1.0 - 0x1p-20 : 1.0 - 0x1p-46));
          for (int l = 0; edge >> l; ++l) {
            if ((edge >> l & 1) && !inside(to + (r + l) * width, width, block[i].c[l])) good &= ~(1u << l);
          }
        }
        want[i] &= ~good;
      };
      if (sure[i]) take(sure[i]);
      if (want[i]) take(forward_planes<Op, Bounded<Twofold>>(block[i], rows(i), kTrust<T>, want[i], result(i)));
      for (int l = 0; want[i] >> l; ++l) {
        if (want[i] >> l & 1) job.slow(job, r + l);
      }
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
      // derivatives in numbers are often small differences, for which twofold rows want bounds
      const bool numbers = to.wants_c || to.wants_number;
      if (tracked<First> || sizeof(T) == 4 || !numbers) {
        take(backward_planes<Op, First>(block, rows, kTrust<T>, want, to, result));
      }
    }
    if (want) take(backward_planes<Op, Bounded<Twofold>>(block, rows, kTrust<T>, want, to, result));
    for (int l = 0; want >> l; ++l) {
      if (want >> l & 1) job.slow(job, r + l);
    }
  }
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
