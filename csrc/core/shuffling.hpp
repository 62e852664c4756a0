#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dnafast {

// A sequence, and the place of as many bytes for its shuffled form.
struct ShuffledSequence {
  const std::uint8_t* source;
  std::uint8_t* target;
  std::size_t length;
};

// What the bytes are: letters, of which IUPAC letters other than A C G T become N and lower case upper case, or base
// codes, 0 to 4.
enum class Symbols : std::uint8_t { letters, codes };

inline constexpr int max_shuffled_k = 6;
inline constexpr std::size_t max_shuffled_length = UINT32_MAX;

// Draws for each sequence one of those that hold every word of k bases just as often (unknown bases count as a fifth
// one) and for k > 1 begin and end with the same k - 1 bases, all as likely. A pure function of the sequence, its
// index, k and the seed. Sequences shorter than k stay as they are.
//
// Throws std::invalid_argument naming the first sequence with a byte that is no symbol, or that is too long, or where k
// is out of range.
void shuffle_sequences(std::span<const ShuffledSequence> sequences, Symbols symbols, int k, std::uint64_t seed,
                       int threads);

}  // namespace dnafast
