#include "core/random.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <numeric>

namespace dnafast {
namespace {

// Finaliser of MurmurHash3: a bijection of 64 bits in which every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  value ^= value >> 33;
  return value;
}

constexpr int philox_rounds = 10;
constexpr std::array<std::uint64_t, 2> multipliers{0xD2511F53, 0xCD9E8D57};
constexpr std::array<std::uint32_t, 2> key_steps{0x9E3779B9, 0xBB67AE85};  // golden ratio; root of three, less one

std::uint32_t low32(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t high32(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < philox_rounds; ++round) {
    const std::uint64_t first = multipliers[0] * counter[0];
    const std::uint64_t second = multipliers[1] * counter[2];
    counter = {high32(second) ^ counter[1] ^ key[0], low32(second), high32(first) ^ counter[3] ^ key[1], low32(first)};
    key[0] += key_steps[0];
    key[1] += key_steps[1];
  }
  return counter;
}

std::uint64_t keyed(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, Purpose purpose) {
  const auto words = philox4x32({low32(index), high32(index), low32(epoch), static_cast<std::uint32_t>(purpose)},
                                {low32(seed), high32(seed)});
  return words[0] | std::uint64_t{words[1]} << 32;
}

void keyed_blocks(std::uint64_t seed, std::uint32_t first_block, std::uint64_t index, Purpose purpose,
                  std::span<std::uint32_t, 4 * blocks_at_once> words) {
  std::array<std::uint32_t, blocks_at_once> word0;
  std::array<std::uint32_t, blocks_at_once> word1;
  std::array<std::uint32_t, blocks_at_once> word2;
  std::array<std::uint32_t, blocks_at_once> word3;
  word0.fill(low32(index));
  word1.fill(high32(index));
  std::iota(word2.begin(), word2.end(), first_block);
  word3.fill(static_cast<std::uint32_t>(purpose));
  std::array<std::uint32_t, 2> key{low32(seed), high32(seed)};
  for (int round = 0; round < philox_rounds; ++round) {
#pragma GCC unroll 1  // unrolled, it would not become vectors
    for (std::size_t b = 0; b < blocks_at_once; ++b) {
      const std::uint64_t first = multipliers[0] * word0[b];
      const std::uint64_t second = multipliers[1] * word2[b];
      word0[b] = high32(second) ^ word1[b] ^ key[0];
      word1[b] = low32(second);
      word2[b] = high32(first) ^ word3[b] ^ key[1];
      word3[b] = low32(first);
    }
    key[0] += key_steps[0];
    key[1] += key_steps[1];
  }
  auto out = words.begin();
  for (const auto* word : {&word0, &word1, &word2, &word3}) out = std::copy(word->begin(), word->end(), out);
}

Permutation::Permutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, Purpose purpose) : size_(size) {
  const int bits = size > 1 ? static_cast<int>(std::bit_width(size - 1)) : 1;
  low_bits_ = (bits + 1) / 2;
  low_mask_ = (std::uint64_t{1} << low_bits_) - 1;
  high_mask_ = (std::uint64_t{1} << (bits - low_bits_)) - 1;
  for (int round = 0; round < rounds; ++round) keys_[round] = keyed(seed, epoch, round, purpose);
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  do {
    index = network(index);
  } while (index >= size_);
  return index;
}

std::uint64_t Permutation::network(std::uint64_t value) const {
  std::uint64_t low = value & low_mask_;
  std::uint64_t high = value >> low_bits_;
  for (int round = 0; round < rounds; round += 2) {
    high ^= mix(low ^ keys_[round]) & high_mask_;
    low ^= mix(high ^ keys_[round + 1]) & low_mask_;
  }
  return high << low_bits_ | low;
}

}  // namespace dnafast
