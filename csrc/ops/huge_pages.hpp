// Fresh memory of tens of megabytes costs a fault for every 4 KB of it, a third of the time of a fast recurrent layer.
#pragma once

#include <cstdint>

#include "ops/compat.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dnafast {

// Asks for large pages, before the memory of a tensor is first written; where there are none, nothing changes.
inline void prefer_huge_pages(Tensor& tensor) {
#if defined(__linux__)
  constexpr std::uintptr_t page = std::uintptr_t{2} << 20;
  constexpr std::uintptr_t smallest = std::uintptr_t{32} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.mutable_data_ptr());
  const std::uintptr_t end = begin + static_cast<std::uintptr_t>(tensor.numel()) * tensor.element_size();
  // From this size on the C library maps memory on its own and gives it back whole. On its heap the wish would outlive
  // the tensor, and what is trimmed there would not leave the process.
  if (end - begin < smallest) return;
  const std::uintptr_t first = (begin + page - 1) / page * page;
  static_cast<void>(madvise(reinterpret_cast<void*>(first), end / page * page - first, MADV_HUGEPAGE));
#else
  static_cast<void>(tensor);
#endif
}

}  // namespace dnafast
