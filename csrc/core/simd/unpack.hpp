#pragma once

#include <cstdint>

// Unpacking where the compiler's own vectors fall short: of the loops in kernels.cpp it is the one that gains most from
// instructions that look up, permute and shift bytes. Measured in cache on one core of an AMD EPYC with GCC 12:
// the plain loop 20 Gbase/s, avx2 47, avx512vbmi 154.
//
// The signatures and results are those of Kernels::unpack and Kernels::unpack_reverse_complement.

#if defined(__x86_64__)
namespace dnafast::avx2 {
void unpack(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes);
void unpack_reverse_complement(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes);
}  // namespace dnafast::avx2

namespace dnafast::avx512vbmi {
void unpack(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes);
void unpack_reverse_complement(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes);
}  // namespace dnafast::avx512vbmi
#endif
