// The one place that knows what a header is being compiled for: host or CUDA device, and which instruction set.
#pragma once

#include <cmath>

// HYPGEO_HD for what must vanish into its callers, HYPGEO_FN for what is long enough to be called.
#if defined(__CUDACC__)
#define HYPGEO_HD __host__ __device__ __forceinline__
#define HYPGEO_FN __host__ __device__ inline
#elif defined(__GNUC__)
#define HYPGEO_HD inline __attribute__((always_inline))
#define HYPGEO_FN inline
#else
#define HYPGEO_HD inline
#define HYPGEO_FN inline
#endif

// One binary holds the same templates compiled for several instruction sets; each has a namespace of its own, lest the
// linker merge them.  What follows lives in `namespace hypgeo { inline namespace HYPGEO_ISA {`.
// The build names it; otherwise it follows from the compiler's target.
#ifndef HYPGEO_ISA
#if defined(__CUDACC__)
#define HYPGEO_ISA cuda
#elif defined(__AVX512F__)
#define HYPGEO_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define HYPGEO_ISA avx2
#else
#define HYPGEO_ISA base
#endif
#endif

// Whether a fused multiply-add is one instruction; elsewhere std::fma would be a slow library call.
#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__aarch64__)
#define HYPGEO_FMA 1
#else
#define HYPGEO_FMA 0
#endif

// A long function of its arguments' values alone: what surrounds a call may be simplified across it.
#if defined(__CUDACC__)
#define HYPGEO_CONST __host__ __device__
#else
#define HYPGEO_CONST __attribute__((const, noinline))
#endif
