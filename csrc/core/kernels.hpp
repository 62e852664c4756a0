#pragma once

#include <cstdint>

namespace dnafast {

// Bit i tells of letter i of a block of 64.
struct LetterBlock {
  std::uint64_t unknown;  // not A C G T
  std::uint64_t masked;   // lower case
};

inline constexpr unsigned letters_a_block = 64;

// The loops that decide the speed of the data path. Written once, as plain loops that the compiler turns into vectors,
// and compiled for each instruction set; only unpacking is written out for each (simd/unpack.hpp). Measured in cache on
// one core of an AMD EPYC with GCC 12, AVX2 beats the baseline in one-hot float32 and k-mer ids 1.6 times, in one-hot
// uint8 1.2 times. AVX-512 added a quarter to k-mer ids and nothing to one-hot, and is left out: its stores under a
// mask lose more than half where the output does not fit the cache. So do stores that bypass the cache, a fifth or more
// at every size.
struct Kernels {
  // Packs a block of letters as .2bit does, into 16 bytes; what is not A C G T becomes 0.
  LetterBlock (*pack_letters)(const std::uint8_t* letters, std::uint8_t* packed);
  // Base codes of [start, end) of .2bit's packed bases, forward or as the reverse complement.
  void (*unpack)(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes);
  void (*unpack_reverse_complement)(const std::uint8_t* packed, std::int64_t start, std::int64_t end,
                                    std::uint8_t* codes);
  // G and C in [start, end) of packed bases.
  std::uint32_t (*count_gc)(const std::uint8_t* packed, std::int64_t start, std::int64_t end);
  // Four rows of length elements: one where the code is the row's number, other where it is unknown, else 0.
  void (*one_hot_uint8)(const std::uint8_t* codes, std::int64_t length, std::uint8_t one, std::uint8_t other,
                        std::uint8_t* out);
  void (*one_hot_uint16)(const std::uint8_t* codes, std::int64_t length, std::uint16_t one, std::uint16_t other,
                         std::uint16_t* out);
  void (*one_hot_float)(const std::uint8_t* codes, std::int64_t length, float one, float other, float* out);
  // The same for (length, 4) elements of one byte; unknown is all 0.
  void (*one_hot_uint8_last)(const std::uint8_t* codes, std::int64_t length, std::uint8_t* out);
  // Ids of the words of k bases that begin at codes[0 .. count), the first base most significant, 4^k where the word
  // holds an unknown base. count <= block_positions, k <= max_joined_k.
  void (*word_ids)(const std::uint8_t* codes, std::int64_t count, int k, bool canonical, std::uint32_t* ids);
};

inline constexpr std::int64_t block_positions = 1024;
inline constexpr int max_joined_k = 15;

// Those of instruction_set().
const Kernels& kernels();

// Base at a position of .2bit's packed bases, in the order A C G T.
inline std::uint8_t base_at(const std::uint8_t* packed, std::int64_t position) {
  constexpr std::uint8_t order[4] = {3, 1, 0, 2};
  return order[(packed[position / 4] >> (6 - 2 * (position % 4))) & 3];
}

}  // namespace dnafast
