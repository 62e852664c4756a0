#include "core/simd/unpack.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <cstring>

#include "core/kernels.hpp"

namespace dnafast {
namespace {

// Codes of T C A G, and of their complements.
constexpr std::array<std::uint8_t, 4> code_of{3, 1, 0, 2};
constexpr std::array<std::uint8_t, 4> complement_of{0, 2, 3, 1};

// Both sets work in chunks from the front; the last chunk ends with the last code and may write some again, so that no
// base is unpacked alone.

}  // namespace

namespace avx2 {
namespace {

constexpr std::int64_t chunk = 32;

// The bases from `position` on, the first in the highest bits. Reads no byte without one of them.
std::uint64_t load(const std::uint8_t* packed, std::int64_t position) {
  const std::uint8_t* source = packed + position / 4;
  const auto skip = static_cast<unsigned>(2 * (position % 4));
  std::uint64_t bases;
  std::memcpy(&bases, source, sizeof bases);
  bases = __builtin_bswap64(bases);
  return skip == 0 ? bases : bases << skip | std::uint64_t{source[8]} >> (8 - skip);
}

using Bytes = std::array<std::uint8_t, chunk>;

// Where the codes of a chunk come from: which byte, whether its high half, whether the second base of that half; and
// the codes of both bases of a half.
struct Spread {
  alignas(32) Bytes byte;
  alignas(32) Bytes high_half;
  alignas(32) Bytes second;
  alignas(32) Bytes first_codes;
  alignas(32) Bytes second_codes;
};

// Place i of a chunk holds base i of it, in reverse base 31 - i.
constexpr Spread make_spread(bool reverse) {
  Spread spread{};
  const auto& lookup = reverse ? complement_of : code_of;
  for (std::size_t i = 0; i < chunk; ++i) {
    const std::size_t base = reverse ? chunk - 1 - i : i;
    spread.byte[i] = static_cast<std::uint8_t>(7 - base / 4);
    spread.high_half[i] = base % 4 < 2 ? 0xFF : 0;
    spread.second[i] = base % 2 == 1 ? 0xFF : 0;
    spread.first_codes[i] = lookup[i % 16 / 4];
    spread.second_codes[i] = lookup[i % 4];
  }
  return spread;
}

constexpr Spread forward_spread = make_spread(false);
constexpr Spread reverse_spread = make_spread(true);

[[gnu::target("avx2")]] inline __m256i vector_of(const Bytes& bytes) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes.data()));
}

[[gnu::target("avx2")]] inline void spread_chunk(std::uint64_t bases, const Spread& spread, std::uint8_t* codes) {
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi64x(static_cast<long long>(bases)), vector_of(spread.byte));
  const __m256i halves = _mm256_and_si256(
      _mm256_blendv_epi8(bytes, _mm256_srli_epi16(bytes, 4), vector_of(spread.high_half)), _mm256_set1_epi8(15));
  const __m256i result =
      _mm256_blendv_epi8(_mm256_shuffle_epi8(vector_of(spread.first_codes), halves),
                         _mm256_shuffle_epi8(vector_of(spread.second_codes), halves), vector_of(spread.second));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), result);
}

}  // namespace

[[gnu::target("avx2")]] void unpack(const std::uint8_t* packed, std::int64_t start, std::int64_t end,
                                    std::uint8_t* codes) {
  const std::int64_t length = end - start;
  if (length < chunk) {
    for (std::int64_t i = 0; i < length; ++i) codes[i] = base_at(packed, start + i);
    return;
  }
  for (std::int64_t i = 0; i < length - chunk; i += chunk)
    spread_chunk(load(packed, start + i), forward_spread, codes + i);
  spread_chunk(load(packed, end - chunk), forward_spread, codes + length - chunk);
}

[[gnu::target("avx2")]] void unpack_reverse_complement(const std::uint8_t* packed, std::int64_t start, std::int64_t end,
                                                       std::uint8_t* codes) {
  const std::int64_t length = end - start;
  if (length < chunk) {
    for (std::int64_t i = 0; i < length; ++i) codes[i] = base_at(packed, end - 1 - i) ^ 3;
    return;
  }
  for (std::int64_t i = 0; i < length - chunk; i += chunk)
    spread_chunk(load(packed, end - chunk - i), reverse_spread, codes + i);
  spread_chunk(load(packed, start), reverse_spread, codes + length - chunk);
}

}  // namespace avx2

namespace avx512vbmi {
namespace {

constexpr std::int64_t chunk = 64;
// Below, chunks that overlap or cross cache lines cost more than their width brings.
constexpr std::int64_t least_bases = 128;

#define DNAFAST_VBMI [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi")]]

DNAFAST_VBMI inline __m512i vector_of(const std::array<std::uint8_t, chunk>& bytes) {
  return _mm512_loadu_si512(bytes.data());
}

// Eight codes come from one word of 64 bits, into which the three bytes that hold their bases are brought, the first as
// the highest of the three.
template <bool reverse>
constexpr std::array<std::uint8_t, chunk> make_bytes() {
  std::array<std::uint8_t, chunk> result{};
  for (std::size_t word = 0; word < 8; ++word) {
    for (std::size_t byte = 0; byte < 3; ++byte) {
      result[8 * word + byte] = static_cast<std::uint8_t>(2 * (reverse ? 7 - word : word) + 2 - byte);
    }
  }
  return result;
}

// Bit of the word at which each code's base stands, where the chunk begins with the first base of its first byte.
template <bool reverse>
constexpr std::array<std::uint8_t, chunk> make_bits() {
  std::array<std::uint8_t, chunk> result{};
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<std::uint8_t>(22 - 2 * (reverse ? 7 - i % 8 : i % 8));
  }
  return result;
}

template <bool reverse>
constexpr std::array<std::uint8_t, chunk> bytes_of_words = make_bytes<reverse>();
template <bool reverse>
constexpr std::array<std::uint8_t, chunk> bits_of_codes = make_bits<reverse>();

// A chunk of codes of the bases from `position` on. Reads no byte without one of them. Masks would make this shorter,
// but loads and stores under a mask halved the speed where memory was not in the cache (AMD EPYC).
template <bool reverse>
DNAFAST_VBMI inline void unpack_chunk(const std::uint8_t* packed, std::int64_t position, std::uint8_t* codes) {
  const std::uint8_t* source = packed + position / 4;
  const std::int64_t skip = position % 4;
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
  const __m128i last = _mm_cvtsi32_si128(skip == 0 ? 0 : source[16]);
  const __m512i loaded = _mm512_castsi256_si512(_mm256_set_m128i(last, first));
  const __m512i words = _mm512_permutexvar_epi8(vector_of(bytes_of_words<reverse>), loaded);
  const __m512i bits =
      _mm512_sub_epi8(vector_of(bits_of_codes<reverse>), _mm512_set1_epi8(static_cast<char>(2 * skip)));
  const __m512i bases = _mm512_and_si512(_mm512_multishift_epi64_epi8(bits, words), _mm512_set1_epi8(3));
  constexpr auto& lookup = reverse ? complement_of : code_of;
  std::uint32_t four_codes;
  std::memcpy(&four_codes, lookup.data(), sizeof four_codes);
  _mm512_storeu_si512(codes, _mm512_shuffle_epi8(_mm512_set1_epi32(static_cast<int>(four_codes)), bases));
}

}  // namespace

DNAFAST_VBMI void unpack(const std::uint8_t* packed, std::int64_t start, std::int64_t end, std::uint8_t* codes) {
  const std::int64_t length = end - start;
  if (length < least_bases) return avx2::unpack(packed, start, end, codes);
  for (std::int64_t i = 0; i < length - chunk; i += chunk) unpack_chunk<false>(packed, start + i, codes + i);
  unpack_chunk<false>(packed, end - chunk, codes + length - chunk);
}

DNAFAST_VBMI void unpack_reverse_complement(const std::uint8_t* packed, std::int64_t start, std::int64_t end,
                                            std::uint8_t* codes) {
  const std::int64_t length = end - start;
  if (length < least_bases) return avx2::unpack_reverse_complement(packed, start, end, codes);
  for (std::int64_t i = 0; i < length - chunk; i += chunk) unpack_chunk<true>(packed, end - chunk - i, codes + i);
  unpack_chunk<true>(packed, start, codes + length - chunk);
}

#undef DNAFAST_VBMI

}  // namespace avx512vbmi
}  // namespace dnafast

#endif
