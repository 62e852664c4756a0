#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dnafast {

// Base codes: A C G T = 0 1 2 3, anything else 4.
inline constexpr std::uint8_t unknown_code = 4;

// Half-open, 0-based.
struct Interval {
  std::uint32_t start;
  std::uint32_t end;
};

// One sequence of a genome: packed bases as .2bit stores them (four a byte, the first in the high bits, T C A G = 0 1 2 3),
// with its unknown (N) and masked (lower-case) blocks in ascending order.
struct Contig {
  std::string name;
  std::uint32_t length = 0;
  const std::uint8_t* packed = nullptr;
  std::span<const Interval> unknown;
  std::span<const Interval> masked;
};

}  // namespace dnafast
