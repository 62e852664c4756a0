#include "core/encoding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/kernels.hpp"
#include "core/parallel.hpp"

namespace dnafast {
namespace {

// A call's least work for each thread: some 10 microseconds. Measured: a sleeping thread wakes in 10 to 30.
constexpr std::size_t bases_worth_a_thread = 1 << 16;

// Windows whose bases are on their way while one is decoded. Measured over 100 Mb: 8 beat 2 by a fifth to two thirds,
// 16 lost on short windows.
constexpr std::size_t windows_ahead = 8;

constexpr int max_one_hot_order = 8;
constexpr int max_counted_k = 8;

template <class T>
struct OneHotValues {
  T one;
  T unknown;
};

template <class T>
void one_hot_positions(const std::uint8_t* codes, std::int64_t length, OneHotValues<T> values, T* out) {
  std::array<std::array<T, 4>, 5> rows{};
  for (std::size_t base = 0; base < 4; ++base) rows[base][base] = values.one;
  rows[unknown_code].fill(values.unknown);
  for (std::int64_t i = 0; i < length; ++i) std::memcpy(out + 4 * i, rows[codes[i]].data(), sizeof rows[0]);
}

void one_hot_positions(const std::uint8_t* codes, std::int64_t length, OneHotValues<std::uint8_t>, std::uint8_t* out) {
  kernels().one_hot_uint8_last(codes, length, out);
}

void one_hot_channels(const std::uint8_t* codes, std::int64_t length, OneHotValues<std::uint8_t> values,
                      std::uint8_t* out) {
  kernels().one_hot_uint8(codes, length, values.one, values.unknown, out);
}

void one_hot_channels(const std::uint8_t* codes, std::int64_t length, OneHotValues<std::uint16_t> values,
                      std::uint16_t* out) {
  kernels().one_hot_uint16(codes, length, values.one, values.unknown, out);
}

void one_hot_channels(const std::uint8_t* codes, std::int64_t length, OneHotValues<float> values, float* out) {
  kernels().one_hot_float(codes, length, values.one, values.unknown, out);
}

// Ids of words of any k that fits 64 bits, one base after the other.
class RollingWord {
 public:
  RollingWord(int k, bool canonical)
      : k_(k), canonical_(canonical), mask_((std::uint64_t{1} << (2 * k)) - 1), top_(2 * (k - 1)) {}

  void push(std::uint8_t code) {
    valid_ = code == unknown_code ? 0 : valid_ + 1;
    forward_ = ((forward_ << 2) | (code & 3)) & mask_;
    reverse_ = (reverse_ >> 2) | (std::uint64_t{static_cast<std::uint8_t>((code & 3) ^ 3)} << top_);
  }

  std::uint64_t id() const {
    if (valid_ < k_) return mask_ + 1;
    return canonical_ ? std::min(forward_, reverse_) : forward_;
  }

 private:
  std::int64_t k_;
  bool canonical_;
  std::uint64_t mask_;
  int top_;
  std::int64_t valid_ = 0;
  std::uint64_t forward_ = 0;
  std::uint64_t reverse_ = 0;
};

// Calls visit(position, ids, count) for each block of positions.
template <class Visit>
void for_each_block(const std::uint8_t* codes, std::int64_t positions, int k, bool canonical, Visit visit) {
  std::array<std::uint32_t, block_positions> ids;
  for (std::int64_t first = 0; first < positions; first += block_positions) {
    const std::int64_t count = std::min(block_positions, positions - first);
    kernels().word_ids(codes + first, count, k, canonical, ids.data());
    visit(first, ids.data(), count);
  }
}

template <class T>
void one_hot_words(const std::uint8_t* codes, std::int64_t length, const Encoding& encoding, OneHotValues<T> values,
                   T* out) {
  const std::int64_t positions = length - encoding.k + 1;
  const std::int64_t channels = std::int64_t{1} << (2 * encoding.k);
  const std::int64_t channel_step = encoding.channels_last ? 1 : positions;
  const std::int64_t position_step = encoding.channels_last ? channels : 1;
  std::memset(out, 0, static_cast<std::size_t>(positions * channels) * sizeof(T));
  for_each_block(codes, positions, encoding.k, false,
                 [&](std::int64_t first, const std::uint32_t* ids, std::int64_t count) {
                   for (std::int64_t i = 0; i < count; ++i) {
                     T* position = out + (first + i) * position_step;
                     if (ids[i] < channels) {
                       position[ids[i] * channel_step] = values.one;
                     } else if (values.unknown != T{0}) {
                       for (std::int64_t channel = 0; channel < channels; ++channel)
                         position[channel * channel_step] = values.unknown;
                     }
                   }
                 });
}

template <class T>
void encode_one_hot(const std::uint8_t* codes, std::int64_t length, const Encoding& encoding, OneHotValues<T> values,
                    void* out_row) {
  T* out = static_cast<T*>(out_row);
  if (encoding.k > 1) {
    one_hot_words(codes, length, encoding, values, out);
  } else if (encoding.channels_last) {
    one_hot_positions(codes, length, values, out);
  } else {
    one_hot_channels(codes, length, values, out);
  }
}

// The upper half of a float32; exact for 1 and for powers of 4.
std::uint16_t bfloat16_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<std::uint16_t>(bits >> 16);
}

template <class T>
void encode_kmers(const std::uint8_t* codes, std::int64_t length, const Encoding& encoding, void* out_row) {
  T* out = static_cast<T*>(out_row);
  const std::int64_t stride = encoding.stride;
  const std::int64_t positions = length - encoding.k + 1;
  if (encoding.k > max_joined_k) {
    RollingWord word(encoding.k, encoding.canonical);
    for (std::int64_t i = 0; i < length; ++i) {
      word.push(codes[i]);
      const std::int64_t position = i - encoding.k + 1;
      if (position >= 0 && position % stride == 0) out[position / stride] = static_cast<T>(word.id());
    }
    return;
  }
  for_each_block(codes, positions, encoding.k, encoding.canonical,
                 [&](std::int64_t first, const std::uint32_t* ids, std::int64_t count) {
                   if (stride == 1) {
                     for (std::int64_t i = 0; i < count; ++i) out[first + i] = static_cast<T>(ids[i]);
                     return;
                   }
                   std::int64_t row = (first + stride - 1) / stride;
                   for (; row * stride < first + count; ++row) out[row] = static_cast<T>(ids[row * stride - first]);
                 });
}

void count_kmers(const std::uint8_t* codes, std::int64_t length, const Encoding& encoding, void* out_row) {
  auto* out = static_cast<std::uint32_t*>(out_row);
  std::fill_n(out, encoding.column_count, 0U);
  const std::uint32_t* columns = encoding.columns->data();
  const std::uint32_t words = std::uint32_t{1} << (2 * encoding.k);
  for_each_block(codes, length - encoding.k + 1, encoding.k, false,
                 [&](std::int64_t, const std::uint32_t* ids, std::int64_t count) {
                   for (std::int64_t i = 0; i < count; ++i) {
                     if (ids[i] < words) ++out[columns[ids[i]]];
                   }
                 });
}

std::uint32_t reverse_complement_word(std::uint32_t word, int k) {
  std::uint32_t reverse = 0;
  for (int i = 0; i < k; ++i, word >>= 2) reverse = (reverse << 2) | ((word & 3) ^ 3);
  return reverse;
}

void check_range(const char* name, int value, int lowest, int highest) {
  if (value < lowest || value > highest) {
    throw std::invalid_argument(std::string(name) + "=" + std::to_string(value) + " must lie between " +
                                std::to_string(lowest) + " and " + std::to_string(highest));
  }
}

// All bits or none: the compiler makes vectors of masks where it would not of conditions.
std::uint8_t mask(bool condition) { return static_cast<std::uint8_t>(condition ? 0xFF : 0); }

std::size_t row_grain(std::int64_t length) {
  return bases_worth_a_thread / static_cast<std::size_t>(std::max<std::int64_t>(length, 1)) + 1;
}

}  // namespace

std::size_t element_bytes(Element element) {
  switch (element) {
    case Element::uint8:
      return 1;
    case Element::bfloat16:
      return 2;
    case Element::float32:
    case Element::int32:
    case Element::uint32:
      return 4;
    case Element::int64:
      return 8;
  }
  throw std::logic_error("an element of unknown kind");
}

Encoding base_codes() { return {}; }

Encoding one_hot(bool channels_last, Element element, int order, float unknown) {
  check_range("order", order, 1, max_one_hot_order);
  if (element != Element::uint8 && element != Element::float32 && element != Element::bfloat16) {
    throw std::invalid_argument("dtype of a one-hot encoding must be uint8, float32 or bfloat16");
  }
  if (unknown != 0.0F && (element == Element::uint8 || unknown != std::ldexp(1.0F, -2 * order))) {
    throw std::invalid_argument("unknown=" + std::to_string(unknown) +
                                " must be 0, or 4**-order where dtype is float32 or bfloat16");
  }
  Encoding encoding;
  encoding.kind = Encoding::Kind::one_hot;
  encoding.element = element;
  encoding.channels_last = channels_last;
  encoding.k = order;
  encoding.unknown = unknown;
  return encoding;
}

Encoding kmers(int k, int stride, bool canonical, Element element) {
  if (element != Element::int32 && element != Element::int64) {
    throw std::invalid_argument("dtype of k-mer ids must be int32 or int64");
  }
  // 4^k itself, the id of what is unknown, must fit.
  check_range("k", k, 1, element == Element::int32 ? 15 : 31);
  if (stride < 1) throw std::invalid_argument("stride=" + std::to_string(stride) + " must be at least 1");
  Encoding encoding;
  encoding.kind = Encoding::Kind::kmers;
  encoding.element = element;
  encoding.k = k;
  encoding.stride = stride;
  encoding.canonical = canonical;
  return encoding;
}

Encoding kmer_counts(int k, bool canonical) {
  check_range("k", k, 1, max_counted_k);
  std::vector<std::uint32_t> columns(std::size_t{1} << (2 * k));
  std::uint32_t next = 0;
  for (std::uint32_t word = 0; word < columns.size(); ++word) {
    const std::uint32_t kept = canonical ? std::min(word, reverse_complement_word(word, k)) : word;
    columns[word] = kept == word ? next++ : columns[kept];
  }
  Encoding encoding;
  encoding.kind = Encoding::Kind::kmer_counts;
  encoding.element = Element::uint32;
  encoding.k = k;
  encoding.canonical = canonical;
  encoding.columns = std::make_shared<const std::vector<std::uint32_t>>(std::move(columns));
  encoding.column_count = next;
  return encoding;
}

std::vector<std::size_t> row_shape(const Encoding& encoding, std::int64_t length) {
  if (length < encoding.k) {
    throw std::invalid_argument("length=" + std::to_string(length) + " must be at least " + std::to_string(encoding.k) +
                                " for this encoding");
  }
  const auto positions = static_cast<std::size_t>(length - encoding.k + 1);
  const std::size_t channels = std::size_t{1} << (2 * encoding.k);
  switch (encoding.kind) {
    case Encoding::Kind::base_codes:
      return {positions};
    case Encoding::Kind::one_hot:
      if (encoding.channels_last) return {positions, channels};
      return {channels, positions};
    case Encoding::Kind::kmers:
      return {(positions - 1) / static_cast<std::size_t>(encoding.stride) + 1};
    case Encoding::Kind::kmer_counts:
      return {encoding.column_count};
  }
  throw std::logic_error("an encoding of unknown kind");
}

std::size_t row_bytes(const Encoding& encoding, std::int64_t length) {
  std::size_t bytes = element_bytes(encoding.element);
  for (const std::size_t size : row_shape(encoding, length)) bytes *= size;
  return bytes;
}

void encode_codes(const Encoding& encoding, const std::uint8_t* codes, std::int64_t length, void* out_row) {
  switch (encoding.kind) {
    case Encoding::Kind::base_codes:
      std::memcpy(out_row, codes, static_cast<std::size_t>(length));
      return;
    case Encoding::Kind::one_hot:
      if (encoding.element == Element::uint8) {
        encode_one_hot<std::uint8_t>(codes, length, encoding, {1, 0}, out_row);
      } else if (encoding.element == Element::float32) {
        encode_one_hot<float>(codes, length, encoding, {1.0F, encoding.unknown}, out_row);
      } else {
        encode_one_hot<std::uint16_t>(codes, length, encoding, {bfloat16_bits(1.0F), bfloat16_bits(encoding.unknown)},
                                      out_row);
      }
      return;
    case Encoding::Kind::kmers:
      if (encoding.element == Element::int32) {
        encode_kmers<std::int32_t>(codes, length, encoding, out_row);
      } else {
        encode_kmers<std::int64_t>(codes, length, encoding, out_row);
      }
      return;
    case Encoding::Kind::kmer_counts:
      count_kmers(codes, length, encoding, out_row);
      return;
  }
}

void encode_row(const Contig& contig, std::int64_t start, std::int64_t length, bool reverse_complement,
                const Encoding& encoding, void* out_row, Scratch& scratch) {
  if (encoding.kind == Encoding::Kind::base_codes) {
    decode(contig, start, length, reverse_complement, static_cast<std::uint8_t*>(out_row));
    return;
  }
  scratch.codes.resize(static_cast<std::size_t>(length));
  decode(contig, start, length, reverse_complement, scratch.codes.data());
  encode_codes(encoding, scratch.codes.data(), length, out_row);
}

void encode_windows(const Genome& genome, const WindowColumns& windows, std::int64_t length, const Encoding& encoding,
                    void* out, int threads) {
  genome.check();
  const std::size_t size = row_bytes(encoding, length);
  const std::span<const Contig> contigs = genome.contigs();
  parallel_for(windows.contig.size(), row_grain(length), threads, [&](std::size_t begin, std::size_t end) {
    Scratch scratch;
    for (std::size_t i = begin; i < end; ++i) {
      if (i + windows_ahead < end) {
        prefetch(contigs[contig_number(contigs.size(), windows, i + windows_ahead)], windows.start[i + windows_ahead],
                 length);
      }
      encode_row(contigs[contig_number(contigs.size(), windows, i)], windows.start[i], length, windows.strand[i] < 0,
                 encoding, static_cast<std::byte*>(out) + i * size, scratch);
    }
  });
}

void letters_to_codes(const std::uint8_t* letters, std::size_t count, std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto upper = static_cast<std::uint8_t>(letters[i] & 0xDF);
    const std::uint8_t is_a = mask(upper == 'A');
    const std::uint8_t is_c = mask(upper == 'C');
    const std::uint8_t is_g = mask(upper == 'G');
    const std::uint8_t is_t = mask(upper == 'T');
    const auto unknown = static_cast<std::uint8_t>(~(is_a | is_c | is_g | is_t) & unknown_code);
    codes[i] = static_cast<std::uint8_t>((is_c & 1) | (is_g & 2) | (is_t & 3) | unknown);
  }
}

void codes_to_letters(std::span<std::uint8_t> codes) {
  for (std::uint8_t& code : codes) {
    code = static_cast<std::uint8_t>('A' + (mask(code == 1) & ('C' - 'A')) + (mask(code == 2) & ('G' - 'A')) +
                                     (mask(code == 3) & ('T' - 'A')) + (mask(code == unknown_code) & ('N' - 'A')));
  }
}

void encode_letters(const std::uint8_t* letters, std::size_t count, std::int64_t length, const Encoding& encoding,
                    void* out, int threads) {
  const std::size_t size = row_bytes(encoding, length);
  parallel_for(count, row_grain(length), threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(length));
    for (std::size_t i = begin; i < end; ++i) {
      letters_to_codes(letters + i * codes.size(), codes.size(), codes.data());
      encode_codes(encoding, codes.data(), length, static_cast<std::byte*>(out) + i * size);
    }
  });
}

}  // namespace dnafast
