#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/genome.hpp"

namespace dnafast {

enum class Element : std::uint8_t { uint8, float32, bfloat16, int32, int64, uint32 };

std::size_t element_bytes(Element element);

// How base codes become a row of numbers. A value: cheap to copy, made by the functions below, which check.
struct Encoding {
  enum class Kind : std::uint8_t { base_codes, one_hot, kmers, kmer_counts };
  Kind kind = Kind::base_codes;
  Element element = Element::uint8;
  bool channels_last = false;  // one_hot: (positions, channels) instead of (channels, positions)
  int k = 1;                   // bases a word; the order of one_hot
  int stride = 1;              // kmers
  bool canonical = false;      // kmers, kmer_counts: a word and its reverse complement are one
  float unknown = 0.0F;        // one_hot: in all channels where the word holds an unknown base
  // kmer_counts: the column of each word.
  std::shared_ptr<const std::vector<std::uint32_t>> columns;
  std::size_t column_count = 0;
};

// Each throws std::invalid_argument.
Encoding base_codes();
Encoding one_hot(bool channels_last, Element element, int order, float unknown);
Encoding kmers(int k, int stride, bool canonical, Element element);
Encoding kmer_counts(int k, bool canonical);

// Shape of one encoded window: one dimension, or two for one_hot. Throws std::invalid_argument where length is below k.
std::vector<std::size_t> row_shape(const Encoding& encoding, std::int64_t length);
std::size_t row_bytes(const Encoding& encoding, std::int64_t length);

// Encodes one sequence of base codes, which the call does not change.
void encode_codes(const Encoding& encoding, const std::uint8_t* codes, std::int64_t length, void* out_row);

// Memory a thread reuses from row to row.
struct Scratch {
  std::vector<std::uint8_t> codes;
};

// Decodes and encodes one window.
void encode_row(const Contig& contig, std::int64_t start, std::int64_t length, bool reverse_complement,
                const Encoding& encoding, void* out_row, Scratch& scratch);

// Encodes windows into rows one after the other. The windows have been checked.
void encode_windows(const Genome& genome, const WindowColumns& windows, std::int64_t length, const Encoding& encoding,
                    void* out, int threads);

// The same for letters: count sequences of one length, one after the other; what is not A C G T is unknown.
void encode_letters(const std::uint8_t* letters, std::size_t count, std::int64_t length, const Encoding& encoding,
                    void* out, int threads);

// What is not A C G T in either case becomes unknown_code.
void letters_to_codes(const std::uint8_t* letters, std::size_t count, std::uint8_t* codes);
// The letters A C G T N, in place.
void codes_to_letters(std::span<std::uint8_t> codes);

}  // namespace dnafast
