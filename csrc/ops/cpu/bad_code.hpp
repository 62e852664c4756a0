// Base codes (sequences, length) are looked at once, before they are used.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "ops/check.hpp"

namespace dnafast {

// The index of the first code above 4 in [begin, end), or end.
inline std::int64_t first_bad_code(const std::uint8_t* codes, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t step = 4096;
  for (std::int64_t from = begin; from < end; from += step) {
    const std::int64_t to = std::min(end, from + step);
    std::uint8_t highest = 0;
    for (std::int64_t i = from; i < to; ++i) highest = std::max(highest, codes[i]);
    if (highest > 4) return std::find_if(codes + from, codes + to, [](std::uint8_t code) { return code > 4; }) - codes;
  }
  return end;
}

// Collects, over slices, the first code that is none; told after the parallel loop, which is no place to throw from.
class BadCode {
 public:
  // Whether all of sequences [begin, end) are codes.
  bool none_in(const std::uint8_t* codes, std::int64_t length, std::int64_t begin, std::int64_t end) {
    const std::int64_t found = first_bad_code(codes, begin * length, end * length);
    if (found == end * length) return true;
    std::int64_t before = at_.load();
    while (found < before && !at_.compare_exchange_weak(before, found)) {
    }
    return false;
  }

  void tell(const char* name, const std::uint8_t* codes, std::int64_t length) const {
    const std::int64_t at = at_.load();
    if (at == nowhere) return;
    refuse(name, "[", at / length, ", ", at % length, "] is ", static_cast<int>(codes[at]),
           ": expected base codes 0 to 3 (A C G T) or 4 (unknown)");
  }

 private:
  static constexpr std::int64_t nowhere = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> at_{nowhere};
};

}  // namespace dnafast
