#include "core/packing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <utility>

namespace dnafast {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks of letters are read as little-endian words");

constexpr unsigned block_size = 64;

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

// What a block of 64 letters holds. Found without a branch, in steps that the compiler turns into vectors.
struct Block {
  alignas(64) std::array<std::uint8_t, block_size> codes;    // T C A G = 0 1 2 3; 0 where not one of them
  alignas(64) std::array<std::uint8_t, block_size> unknown;  // 1 where not A C G T
  alignas(64) std::array<std::uint8_t, block_size> masked;   // 1 where lower case
};

void classify(const std::uint8_t* __restrict letters, std::uint8_t* __restrict codes, std::uint8_t* __restrict unknown,
              std::uint8_t* __restrict masked) {
  for (unsigned i = 0; i < block_size; ++i) {
    const auto upper = static_cast<std::uint8_t>(letters[i] & 0xDF);
    const auto flag = [upper](char letter) { return static_cast<std::uint8_t>(upper == letter ? 0xFF : 0); };
    const auto is_base = static_cast<std::uint8_t>(flag('A') | flag('C') | flag('G') | flag('T'));
    // Bits 1 and 2 of the letters A C T G are 0 1 2 3; .2bit wants 2 1 0 3.
    const auto order = static_cast<std::uint8_t>((upper >> 1) & 3);
    codes[i] = static_cast<std::uint8_t>((order ^ ((~order & 1) << 1)) & is_base);
    unknown[i] = static_cast<std::uint8_t>(~is_base & 1);
    masked[i] = static_cast<std::uint8_t>((letters[i] >> 5) & 1);
  }
}

bool all_n(const std::uint8_t* letters) {
  std::uint8_t other = 0;
  for (unsigned i = 0; i < block_size; ++i) other |= static_cast<std::uint8_t>((letters[i] & 0xDF) ^ 'N');
  return other == 0;
}

void pack(const std::uint8_t* __restrict codes, std::uint8_t* __restrict packed) {
  for (unsigned i = 0; i < block_size / 4; ++i) {
    std::uint32_t four;
    std::memcpy(&four, codes + 4 * i, 4);
    packed[i] = static_cast<std::uint8_t>((four << 6) | (four >> 4) | (four >> 14) | (four >> 24));
  }
}

// Bit i of the result is flags[i].
std::uint64_t gather(const std::array<std::uint8_t, block_size>& flags) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < block_size / 8; ++i) {
    std::uint64_t word;
    std::memcpy(&word, flags.data() + 8 * i, 8);
    bits |= ((word * 0x0102040810204080U) >> 56) << (8 * i);
  }
  return bits;
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
  run_.packed.resize(run_.length / 4 + (staged_ + block_size - 1) / block_size * (block_size / 4));
  std::size_t done = 0;
  for (; done + block_size <= staged_; done += block_size) pack_block(stage_.data() + done, block_size);
  if (done < staged_) {
    std::array<std::uint8_t, block_size> last;
    last.fill('T');  // code 0: the bits beyond the end stay zero
    std::memcpy(last.data(), stage_.data() + done, staged_ - done);
    pack_block(last.data(), static_cast<unsigned>(staged_ - done));
  }
  staged_ = 0;
}

void Packer::pack_block(const std::uint8_t* letters, unsigned count) {
  Block block;
  classify(letters, block.codes.data(), block.unknown.data(), block.masked.data());
  pack(block.codes.data(), run_.packed.data() + run_.length / 4);
  const std::uint64_t valid = count == block_size ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  const std::uint64_t unknown = gather(block.unknown) & valid;
  if (unknown != 0) {
    if (!all_n(letters)) count_iupac(letters, unknown);
    add_bits(run_.unknown, unknown, run_.length);
  }
  const std::uint64_t masked = gather(block.masked) & valid;
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
