// The one place that knows whether a header is being compiled for the host or for a CUDA device.
#pragma once

#include <cmath>

#if defined(__CUDACC__)
#define HYPGEO_HD __host__ __device__ __forceinline__
#else
#define HYPGEO_HD inline
#endif

namespace hypgeo {

// A literal in the number type of the formula: a bare 2.0 would silently move float code to double.
template <class S>
HYPGEO_HD S lit(double value) {
  return S(value);
}

}  // namespace hypgeo
