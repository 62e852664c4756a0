#include "core/kernels.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "core/cpu.hpp"
#include "core/genome.hpp"
#include "core/simd/unpack.hpp"

// Inlined into a wrapper for each instruction set, whose vectors it then uses.
#define DNAFAST_LOOP [[gnu::always_inline]] inline

namespace dnafast {
namespace {

static_assert(std::endian::native == std::endian::little, "bases are packed and unpacked in little-endian words");

// Bit i of the result is flags[i], which is 0 or 1.
DNAFAST_LOOP std::uint64_t gather(const std::uint8_t* flags) {
  std::array<std::uint64_t, letters_a_block / 8> words;
  std::memcpy(words.data(), flags, sizeof words);
  std::uint64_t any = 0;
  for (const std::uint64_t word : words) any |= word;
  if (any == 0) return 0;
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < words.size(); ++i) bits |= ((words[i] * 0x0102040810204080U) >> 56) << (8 * i);
  return bits;
}

DNAFAST_LOOP LetterBlock pack_letters_loop(const std::uint8_t* __restrict letters, std::uint8_t* __restrict packed) {
  alignas(64) std::array<std::uint8_t, letters_a_block> codes;
  alignas(64) std::array<std::uint8_t, letters_a_block> unknown;
  alignas(64) std::array<std::uint8_t, letters_a_block> masked;
  for (unsigned i = 0; i < letters_a_block; ++i) {
    const auto upper = static_cast<std::uint8_t>(letters[i] & 0xDF);
    const auto is_a = static_cast<std::uint8_t>(upper == 'A' ? 0xFF : 0);
    const auto is_c = static_cast<std::uint8_t>(upper == 'C' ? 0xFF : 0);
    const auto is_g = static_cast<std::uint8_t>(upper == 'G' ? 0xFF : 0);
    const auto is_t = static_cast<std::uint8_t>(upper == 'T' ? 0xFF : 0);
    // T C A G = 0 1 2 3.
    codes[i] = static_cast<std::uint8_t>((is_c & 1) | (is_a & 2) | (is_g & 3));
    unknown[i] = static_cast<std::uint8_t>(~(is_a | is_c | is_g | is_t) & 1);
    masked[i] = static_cast<std::uint8_t>((letters[i] >> 5) & 1);
  }
  for (unsigned i = 0; i < letters_a_block / 4; ++i) {
    std::uint32_t four;
    std::memcpy(&four, codes.data() + 4 * i, 4);
    packed[i] = static_cast<std::uint8_t>((four << 6) | (four >> 4) | (four >> 14) | (four >> 24));
  }
  return {gather(unknown.data()), gather(masked.data())};
}

// Four bases from .2bit's order to A C G T = 0 1 2 3, still packed: 0 1 2 3 becomes 3 1 0 2.
DNAFAST_LOOP std::uint32_t reorder(std::uint32_t four) {
  const std::uint32_t high = (four >> 1) & 0x55;
  const std::uint32_t low = four & 0x55;
  return ((high ^ low ^ 0x55) << 1) | (high ^ 0x55);
}

DNAFAST_LOOP void unpack_loop(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes) {
  while (start < end && start % 4 != 0) *codes++ = base_at(packed, start++);
  const std::uint8_t* source = packed + start / 4;
  const std::int64_t bytes = (end - start) / 4;
  for (std::int64_t i = 0; i < bytes; ++i) {
    const std::uint32_t four = reorder(source[i]);
    // One base a byte, the first in the lowest.
    const std::uint32_t spread = ((four >> 6) | (four << 4) | (four << 14) | (four << 24)) & 0x03030303;
    std::memcpy(codes + 4 * i, &spread, 4);
  }
  codes += 4 * bytes;
  for (start += 4 * bytes; start < end; ++start) *codes++ = base_at(packed, start);
}

DNAFAST_LOOP void unpack_reverse_complement_loop(const std::uint8_t* packed, std::int64_t start, std::int64_t end,
                                                 std::uint8_t* codes) {
  while (start < end && end % 4 != 0) *codes++ = base_at(packed, --end) ^ 3;
  const std::int64_t bytes = (end - start) / 4;
  const std::uint8_t* source = packed + end / 4 - bytes;
  for (std::int64_t i = 0; i < bytes; ++i) {
    const std::uint32_t four = reorder(source[bytes - 1 - i]) ^ 0xFF;
    const std::uint32_t spread = (four | (four << 6) | (four << 12) | (four << 18)) & 0x03030303;
    std::memcpy(codes + 4 * i, &spread, 4);
  }
  codes += 4 * bytes;
  for (end -= 4 * bytes; start < end;) *codes++ = base_at(packed, --end) ^ 3;
}

// In .2bit's order G and C are the bases whose low bit is set.
DNAFAST_LOOP std::uint32_t count_gc_loop(const std::uint8_t* packed, std::int64_t start, std::int64_t end) {
  constexpr std::uint64_t low_bits = 0x5555555555555555U;
  if (start >= end) return 0;
  const std::int64_t first_byte = start / 4;
  const std::int64_t last_byte = (end - 1) / 4;
  // Bases of the first and last byte that lie outside are masked away.
  const std::uint32_t head = 0x55U >> (2 * (start % 4));
  const std::uint32_t tail = 0x55U & (0xFFU << (2 * (3 - (end - 1) % 4)));
  if (first_byte == last_byte) return static_cast<std::uint32_t>(std::popcount(packed[first_byte] & head & tail));
  auto count = static_cast<std::uint32_t>(std::popcount(packed[first_byte] & head)) +
               static_cast<std::uint32_t>(std::popcount(packed[last_byte] & tail));
  std::int64_t byte = first_byte + 1;
  for (; byte + 8 <= last_byte; byte += 8) {
    std::uint64_t word;
    std::memcpy(&word, packed + byte, 8);
    count += static_cast<std::uint32_t>(std::popcount(word & low_bits));
  }
  for (; byte < last_byte; ++byte) count += static_cast<std::uint32_t>(std::popcount(packed[byte] & 0x55U));
  return count;
}

template <class T>
DNAFAST_LOOP void one_hot_loop(const std::uint8_t* __restrict codes, std::int64_t length, T one, T other,
                               T* __restrict out) {
  for (std::uint8_t channel = 0; channel < 4; ++channel, out += length) {
    if (other == T{0}) {
      for (std::int64_t i = 0; i < length; ++i) out[i] = codes[i] == channel ? one : T{0};
    } else {
      for (std::int64_t i = 0; i < length; ++i) {
        const T rest = codes[i] == unknown_code ? other : T{0};
        out[i] = codes[i] == channel ? one : rest;
      }
    }
  }
}

DNAFAST_LOOP void one_hot_uint8_last_loop(const std::uint8_t* __restrict codes, std::int64_t length,
                                          std::uint8_t* __restrict out) {
  for (std::int64_t i = 0; i < length; ++i) {
    const std::uint32_t code = codes[i];
    const std::uint32_t row = code < 4 ? std::uint32_t{1} << (8 * (code & 3)) : 0;
    std::memcpy(out + 4 * i, &row, 4);
  }
}

// Words of k bases for a block of positions at once: each step joins neighbouring words into longer ones, in all lanes
// independently. A Word holds two bits a base and, on top, whether it holds an unknown base.
template <class Word>
struct Words {
  static constexpr Word invalid = static_cast<Word>(Word{1} << (8 * sizeof(Word) - 1));
  alignas(64) std::array<Word, block_positions + max_joined_k> forward;
  alignas(64) std::array<Word, block_positions + max_joined_k> reverse;
};

// joined[i] = left[i] followed by right[i + left_width].
template <class Word, bool canonical>
DNAFAST_LOOP void join(const Words<Word>& left, int left_width, const Words<Word>& right, int right_width,
                       std::int64_t count, Words<Word>& joined) {
  constexpr Word invalid = Words<Word>::invalid;
  const Word* __restrict left_words = left.forward.data();
  const Word* __restrict right_words = right.forward.data() + left_width;
  Word* __restrict words = joined.forward.data();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto shifted = static_cast<Word>(left_words[i] << (2 * right_width));
    words[i] = static_cast<Word>((shifted & ~invalid) | (left_words[i] & invalid) | right_words[i]);
  }
  if constexpr (canonical) {
    const Word* __restrict left_reverse = left.reverse.data();
    const Word* __restrict right_reverse = right.reverse.data() + left_width;
    Word* __restrict reverse = joined.reverse.data();
    for (std::int64_t i = 0; i < count; ++i) {
      reverse[i] = static_cast<Word>(left_reverse[i] | (right_reverse[i] << (2 * left_width)));
    }
  }
}

template <class Word, bool canonical>
DNAFAST_LOOP void word_ids_of(const std::uint8_t* __restrict codes, std::int64_t count, int k,
                              std::uint32_t* __restrict ids) {
  constexpr Word invalid = Words<Word>::invalid;
  std::array<Words<Word>, 4> buffers;
  Words<Word>* power = &buffers[0];  // words of width 1, 2, 4, ...
  Words<Word>* partial = nullptr;    // words of the width that the low bits of k give
  const auto unused = [&] {
    Words<Word>* buffer = buffers.data();
    while (buffer == power || buffer == partial) ++buffer;
    return buffer;
  };
  std::int64_t available = count + k - 1;
  for (std::int64_t i = 0; i < available; ++i) {
    const auto code = static_cast<Word>(codes[i]);
    power->forward[i] = static_cast<Word>((code & 3) | (code == unknown_code ? invalid : 0));
    if constexpr (canonical) power->reverse[i] = static_cast<Word>((code & 3) ^ 3);
  }
  int partial_width = 0;
  for (int width = 1;; width *= 2) {
    if ((k & width) != 0) {
      if (partial == nullptr) {
        partial = power;
      } else {
        Words<Word>* joined = unused();
        join<Word, canonical>(*power, width, *partial, partial_width, available - partial_width, *joined);
        partial = joined;
      }
      partial_width += width;
      if (partial_width == k) break;
    }
    available -= width;
    Words<Word>* joined = unused();
    join<Word, canonical>(*power, width, *power, width, available, *joined);
    power = joined;
  }
  const std::uint32_t unknown = std::uint32_t{1} << (2 * k);
  Word* __restrict forward = partial->forward.data();
  if constexpr (canonical) {
    const Word* __restrict reverse = partial->reverse.data();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto word = static_cast<Word>(forward[i] & ~invalid);
      forward[i] = static_cast<Word>((word < reverse[i] ? word : reverse[i]) | (forward[i] & invalid));
    }
  }
  for (std::int64_t i = 0; i < count; ++i) ids[i] = (forward[i] & invalid) != 0 ? unknown : forward[i];
}

DNAFAST_LOOP void word_ids_loop(const std::uint8_t* codes, std::int64_t count, int k, bool canonical,
                                std::uint32_t* ids) {
  // Seven bases and the flag fit 16 bits: twice as many lanes.
  if (k <= 7) {
    canonical ? word_ids_of<std::uint16_t, true>(codes, count, k, ids)
              : word_ids_of<std::uint16_t, false>(codes, count, k, ids);
  } else {
    canonical ? word_ids_of<std::uint32_t, true>(codes, count, k, ids)
              : word_ids_of<std::uint32_t, false>(codes, count, k, ids);
  }
}

#define DNAFAST_KERNELS(set, target)                                                                                 \
  namespace set {                                                                                                    \
  target LetterBlock pack_letters(const std::uint8_t* letters, std::uint8_t* packed) {                               \
    return pack_letters_loop(letters, packed);                                                                       \
  }                                                                                                                  \
  target void unpack(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes) {        \
    unpack_loop(packed, start, end, codes);                                                                          \
  }                                                                                                                  \
  target void unpack_reverse_complement(const std::uint8_t* packed, std::int64_t start, std::int64_t end,            \
                                        std::uint8_t* codes) {                                                       \
    unpack_reverse_complement_loop(packed, start, end, codes);                                                       \
  }                                                                                                                  \
  target std::uint32_t count_gc(const std::uint8_t* packed, std::int64_t start, std::int64_t end) {                  \
    return count_gc_loop(packed, start, end);                                                                        \
  }                                                                                                                  \
  target void one_hot_uint8(const std::uint8_t* codes, std::int64_t length, std::uint8_t one, std::uint8_t other,    \
                            std::uint8_t* out) {                                                                     \
    one_hot_loop(codes, length, one, other, out);                                                                    \
  }                                                                                                                  \
  target void one_hot_uint16(const std::uint8_t* codes, std::int64_t length, std::uint16_t one, std::uint16_t other, \
                             std::uint16_t* out) {                                                                   \
    one_hot_loop(codes, length, one, other, out);                                                                    \
  }                                                                                                                  \
  target void one_hot_float(const std::uint8_t* codes, std::int64_t length, float one, float other, float* out) {    \
    one_hot_loop(codes, length, one, other, out);                                                                    \
  }                                                                                                                  \
  target void one_hot_uint8_last(const std::uint8_t* codes, std::int64_t length, std::uint8_t* out) {                \
    one_hot_uint8_last_loop(codes, length, out);                                                                     \
  }                                                                                                                  \
  target void word_ids(const std::uint8_t* codes, std::int64_t count, int k, bool canonical, std::uint32_t* ids) {   \
    word_ids_loop(codes, count, k, canonical, ids);                                                                  \
  }                                                                                                                  \
  constexpr Kernels table{pack_letters,   unpack,        unpack_reverse_complement, count_gc, one_hot_uint8,         \
                          one_hot_uint16, one_hot_float, one_hot_uint8_last,        word_ids};                       \
  }

DNAFAST_KERNELS(baseline, )
#if defined(__x86_64__)
DNAFAST_KERNELS(plain_avx2, __attribute__((target("avx2,popcnt"))))

constexpr Kernels avx2_table = [] {
  Kernels table = plain_avx2::table;
  table.unpack = avx2::unpack;
  table.unpack_reverse_complement = avx2::unpack_reverse_complement;
  return table;
}();

// The first processors with AVX-512 cannot permute bytes.
constexpr Kernels avx512vbmi_table = [] {
  Kernels table = plain_avx2::table;
  table.unpack = avx512vbmi::unpack;
  table.unpack_reverse_complement = avx512vbmi::unpack_reverse_complement;
  return table;
}();
#endif

#undef DNAFAST_KERNELS
#undef DNAFAST_LOOP

}  // namespace

const Kernels& kernels() {
  switch (instruction_set()) {
#if defined(__x86_64__)
    case InstructionSet::avx2:
      return avx2_table;
    case InstructionSet::avx512:
      return __builtin_cpu_supports("avx512vbmi") ? avx512vbmi_table : avx2_table;
#endif
    default:
      return baseline::table;
  }
}

}  // namespace dnafast
