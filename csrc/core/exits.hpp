#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dnafast {

// How often each letter still follows one node: a multiset of letters to draw from without putting back. Both forms
// below are made from the counts of the letters, tell the total, and find the letter of rank x < total where all that
// are left stand in ascending order.

// Four letters, up to most_letters of them, in one machine word, so that to find and remove one takes a handful of
// instructions and no branch. The top 16 bits hold the total; field j < 3, of 16 bits, holds 0x8000 less the number of
// letters up to j, so that x added to it reaches 0x8000, its top bit, where the letter of rank x lies above j.
class PackedExits {
 public:
  using Draw = std::uint16_t;
  using Product = std::uint32_t;
  static constexpr std::size_t letters = 4;
  static constexpr std::size_t most_letters = 0x7FFF;

  PackedExits() = default;
  explicit PackedExits(const std::uint32_t* counts) {
    for (std::size_t letter = 0; letter < letters; ++letter) bits_ += counts[letter] * change(letter);
  }

  Draw total() const { return static_cast<Draw>(bits_ >> 48); }
  std::size_t letter_at(std::uint64_t rank) const { return sum(passed(rank)); }
  void remove(std::size_t letter) { bits_ -= change(letter); }
  std::size_t take(std::uint64_t rank) {
    const std::uint64_t flags = passed(rank);
    bits_ += fields - one_in_total - flags;
    return sum(flags);
  }

 private:
  static constexpr std::uint64_t ones = 0x0001'0001'0001'0001;
  static constexpr std::uint64_t fields = 0x0000'0001'0001'0001;
  static constexpr std::uint64_t one_in_total = std::uint64_t{1} << 48;

  // What one letter more changes: the total and the fields from its own on.
  static constexpr std::uint64_t change(std::size_t letter) {
    return one_in_total - (fields & ~std::uint64_t{0} << (16 * letter));
  }
  // The compiler would make five shifts and additions of a multiplication by ones; one multiplication is faster.
  static std::uint64_t times_ones(std::uint64_t value) {
    std::uint64_t factor = ones;
    asm("" : "+r"(factor));
    return value * factor;
  }
  // 1 in each field above which the letter of this rank lies.
  std::uint64_t passed(std::uint64_t rank) const { return (times_ones(rank) + bits_) >> 15 & fields; }
  static std::size_t sum(std::uint64_t flags) { return times_ones(flags) >> 48; }

  std::uint64_t bits_ = 0x0000'8000'8000'8000;
};

// Five letters, any number of them.
class WideExits {
 public:
  using Draw = std::uint32_t;
  using Product = std::uint64_t;
  static constexpr std::size_t letters = 5;

  WideExits() = default;
  explicit WideExits(const std::uint32_t* counts) {
    for (std::size_t letter = 0; letter < letters; ++letter) {
      total_ += counts[letter];
      if (letter < letters - 1) up_to_[letter] = total_;
    }
  }

  Draw total() const { return total_; }
  std::size_t letter_at(std::uint64_t rank) const {
    std::size_t letter = 0;
    for (const std::uint32_t border : up_to_) letter += rank >= border ? 1 : 0;
    return letter;
  }
  void remove(std::size_t letter) {
    for (std::size_t j = 0; j < up_to_.size(); ++j) up_to_[j] -= changes[letter][j];
    --total_;
  }
  std::size_t take(std::uint64_t rank) {
    const std::size_t letter = letter_at(rank);
    remove(letter);
    return letter;
  }

 private:
  // What one letter more changes: the borders from its own on.
  static constexpr std::uint32_t changes[letters][letters - 1]{
      {1, 1, 1, 1}, {0, 1, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, 0}};

  std::array<std::uint32_t, letters - 1> up_to_{};
  std::uint32_t total_ = 0;
};

}  // namespace dnafast
