// Kernels are compiled for several instruction sets (HYPGEO_ISA); here is who serves on this processor.
#pragma once

#include <type_traits>

namespace hypgeo {

template <class T>
const T* choose(const T* base, [[maybe_unused]] std::type_identity_t<const T*> avx2,
                [[maybe_unused]] std::type_identity_t<const T*> avx512) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
#endif
  return base;
}

}  // namespace hypgeo

// Of a table that each instruction set's namespace has.
#if defined(__x86_64__)
#define HYPGEO_CHOOSE(table) ::hypgeo::choose(base::table, avx2::table, avx512::table)
#else
#define HYPGEO_CHOOSE(table) ::hypgeo::choose(base::table, nullptr, nullptr)
#endif
