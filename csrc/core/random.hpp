#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace dnafast {

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a bijection of
// the counter under the key, without state, so that a draw depends on nothing but what it is asked for.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// What a draw is for. The numbers are part of every result: never reuse or change one.
enum class Purpose : std::uint32_t {
  shuffle = 1,          // order of the windows in an epoch
  jitter = 2,           // shift of a window
  strand = 3,           // reverse complement of a window
  candidates = 4,       // order in which allowed starts are tried as negatives
  candidate_rank = 5,   // rank of an allowed start among those of its kind
  spare_rank = 6,       // the same, where a negative stands in for another contig's
  negative_strand = 7,  // which negatives get which strand
  letter = 8,           // letters of a shuffled sequence
  last_exit = 9,        // last exits of a shuffled sequence, then letters that are drawn again
};

// 64 random bits, a pure function of the four. Epochs are told apart by their low 32 bits.
std::uint64_t keyed(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, Purpose purpose);

// The whole blocks of which keyed() gives the first two words, sixteen at once for the speed: those with the epochs
// first, first + 1, ... Word w of block b is words[16 * w + b].
inline constexpr std::uint32_t blocks_at_once = 16;
void keyed_blocks(std::uint64_t seed, std::uint32_t first, std::uint64_t index, Purpose purpose,
                  std::span<std::uint32_t, 4 * blocks_at_once> words);

// Maps 64 random bits to [0, n), n > 0; the bias is below n / 2^64.
inline std::uint64_t below(std::uint64_t bits, std::uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits) * n) >> 64);
}

// A random permutation of [0, size) that needs no table: a keyed Feistel network over the next power of two, walked
// along its cycle until it comes back below size (fewer than two steps on average).
class Permutation {
 public:
  Permutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, Purpose purpose);

  std::uint64_t size() const { return size_; }

  // Image of index < size().
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  static constexpr int rounds = 8;

  std::uint64_t network(std::uint64_t value) const;

  std::uint64_t size_;
  int low_bits_;
  std::uint64_t low_mask_;
  std::uint64_t high_mask_;
  std::array<std::uint64_t, rounds> keys_;
};

}  // namespace dnafast
