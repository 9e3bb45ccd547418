// Pages of 2 MB where the system has them: first touching 64 MB in pages of 4 KB takes longer than computing it.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace hypgeo {

// For memory that is new and about to be filled.
inline void large_pages(void* data, size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t page = 4096;
  if (bytes < size_t(4) << 20) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

}  // namespace hypgeo
