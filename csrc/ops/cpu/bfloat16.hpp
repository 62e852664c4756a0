// A value in bfloat16: the upper half of a float. With internal linkage, as it is compiled for several instruction
// sets.
#pragma once

#include <cstdint>

namespace dnafast {

struct Bfloat16 {
  std::uint16_t bits;
};

namespace {

inline float value_of(Bfloat16 stored) {
  const std::uint32_t bits = std::uint32_t{stored.bits} << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float value_of(float stored) { return stored; }

inline double value_of(double stored) { return stored; }

}  // namespace
}  // namespace dnafast
