#include "core/packing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/kernels.hpp"

namespace dnafast {
namespace {

enum class Letter : std::uint8_t { invalid, base, unknown, iupac };

constexpr std::array<Letter, 256> letter_kinds = [] {
  std::array<Letter, 256> kinds{};
  const auto mark = [&kinds](const char* letters, Letter kind) {
    for (; *letters != 0; ++letters) {
      kinds[static_cast<unsigned char>(*letters)] = kind;
      kinds[static_cast<unsigned char>(*letters | 0x20)] = kind;
    }
  };
  mark("ACGT", Letter::base);
  mark("N", Letter::unknown);
  mark("RYSWKMBDHVUX", Letter::iupac);
  return kinds;
}();

bool all_n(const std::uint8_t* letters) {
  std::uint8_t other = 0;
  for (unsigned i = 0; i < letters_a_block; ++i) other |= static_cast<std::uint8_t>((letters[i] & 0xDF) ^ 'N');
  return other == 0;
}

void add_interval(std::vector<Interval>& intervals, std::uint64_t start, std::uint64_t end) {
  if (!intervals.empty() && intervals.back().end == start) {
    intervals.back().end = static_cast<std::uint32_t>(end);
  } else {
    intervals.push_back({static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)});
  }
}

void add_bits(std::vector<Interval>& intervals, std::uint64_t bits, std::uint64_t offset) {
  while (bits != 0) {
    const int start = std::countr_zero(bits);
    const int length = std::countr_one(bits >> start);
    add_interval(intervals, offset + start, offset + start + length);
    if (start + length == 64) return;
    bits &= ~std::uint64_t{0} << (start + length);
  }
}

}  // namespace

LetterError::LetterError(std::uint64_t position, unsigned char letter)
    : std::runtime_error(describe_character(letter) + " is no nucleotide letter"), position(position), letter(letter) {}

bool is_nucleotide_letter(unsigned char letter) { return letter_kinds[letter] != Letter::invalid; }

std::string describe_character(unsigned char character) {
  if (character > 0x20 && character < 0x7F) return {'\'', static_cast<char>(character), '\''};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "the byte 0x%02X", static_cast<unsigned>(character));
  return text.data();
}

void PackedRun::append(const PackedRun& other) {
  const auto phase = static_cast<unsigned>(length % 4);
  if (phase == 0) {
    packed.insert(packed.end(), other.packed.begin(), other.packed.end());
  } else if (!other.packed.empty()) {
    const std::size_t old_size = packed.size();
    const unsigned shift = 2 * phase;
    packed.resize(old_size + other.packed.size());
    std::uint8_t* target = packed.data() + old_size;
    const std::uint8_t* source = other.packed.data();
    const std::size_t count = other.packed.size();
    target[-1] |= static_cast<std::uint8_t>(source[0] >> shift);
    for (std::size_t i = 0; i + 1 < count; ++i) {
      target[i] = static_cast<std::uint8_t>((source[i] << (8 - shift)) | (source[i + 1] >> shift));
    }
    target[count - 1] = static_cast<std::uint8_t>(source[count - 1] << (8 - shift));
  }
  for (const Interval& block : other.unknown) add_interval(unknown, length + block.start, length + block.end);
  for (const Interval& block : other.masked) add_interval(masked, length + block.start, length + block.end);
  iupac += other.iupac;
  length += other.length;
  packed.resize((length + 3) / 4);
}

void PackedRun::clear() {
  length = 0;
  packed.clear();
  unknown.clear();
  masked.clear();
  iupac = 0;
}

Packer::Packer() : stage_(stage_size) {}

void Packer::add(const char* letters, std::size_t count) {
  while (count > 0) {
    const std::size_t taken = std::min(count, stage_size - staged_);
    std::memcpy(stage_.data() + staged_, letters, taken);
    staged_ += taken;
    letters += taken;
    count -= taken;
    if (staged_ == stage_size) pack_staged();
  }
}

PackedRun Packer::finish() {
  pack_staged();
  run_.packed.resize((run_.length + 3) / 4);
  return std::exchange(run_, PackedRun{});
}

void Packer::pack_staged() {
  run_.packed.resize(run_.length / 4 + (staged_ + letters_a_block - 1) / letters_a_block * (letters_a_block / 4));
  std::size_t done = 0;
  for (; done + letters_a_block <= staged_; done += letters_a_block) pack_block(stage_.data() + done, letters_a_block);
  if (done < staged_) {
    std::array<std::uint8_t, letters_a_block> last;
    last.fill('T');  // code 0: the bits beyond the end stay zero
    std::memcpy(last.data(), stage_.data() + done, staged_ - done);
    pack_block(last.data(), static_cast<unsigned>(staged_ - done));
  }
  staged_ = 0;
}

void Packer::pack_block(const std::uint8_t* letters, unsigned count) {
  const LetterBlock block = kernels().pack_letters(letters, run_.packed.data() + run_.length / 4);
  const std::uint64_t valid = count == letters_a_block ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  const std::uint64_t unknown = block.unknown & valid;
  if (unknown != 0) {
    if (!all_n(letters)) count_iupac(letters, unknown);
    add_bits(run_.unknown, unknown, run_.length);
  }
  const std::uint64_t masked = block.masked & valid;
  if (masked != 0) add_bits(run_.masked, masked, run_.length);
  run_.length += count;
}

void Packer::count_iupac(const std::uint8_t* letters, std::uint64_t unknown) {
  for (; unknown != 0; unknown &= unknown - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(unknown));
    const Letter kind = letter_kinds[letters[i]];
    if (kind == Letter::invalid) throw LetterError(run_.length + i, letters[i]);
    if (kind == Letter::iupac) ++run_.iupac;
  }
}

}  // namespace dnafast
