#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/genome.hpp"

namespace dnafast {

// A letter that stands for no nucleotide. position counts from the first letter of the run.
class LetterError : public std::runtime_error {
 public:
  LetterError(std::uint64_t position, unsigned char letter);
  std::uint64_t position;
  unsigned char letter;
};

// A stretch of sequence as .2bit stores it.
struct PackedRun {
  std::uint64_t length = 0;
  std::vector<std::uint8_t> packed;  // bits beyond length are zero
  std::vector<Interval> unknown;
  std::vector<Interval> masked;
  std::uint64_t iupac = 0;  // letters that stand for several bases, taken as N

  // Appends another run. Lengths are the caller's to check: the sum must fit 32 bits.
  void append(const PackedRun& other);
  // Empty again, the memory kept.
  void clear();
};

// Packs letters piece by piece. A C G T in either case; IUPAC letters, U and X count as N; lower case is masked.
class Packer {
 public:
  Packer();
  // Throws LetterError, here or in a later call: letters are taken in blocks.
  void add(const char* letters, std::size_t count);
  PackedRun finish();

 private:
  void pack_staged();
  void pack_block(const std::uint8_t* letters, unsigned count);
  void count_iupac(const std::uint8_t* letters, std::uint64_t unknown);

  static constexpr std::size_t stage_size = 16384;
  PackedRun run_;
  std::size_t staged_ = 0;
  std::vector<std::uint8_t> stage_;
};

// True for letters that stand for a nucleotide or a choice of them, in either case.
bool is_nucleotide_letter(unsigned char letter);

// How a message shows a character: 'E', or its number where it cannot be printed.
std::string describe_character(unsigned char character);

}  // namespace dnafast
