#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/packing.hpp"
#include "core/twobit.hpp"

namespace dnafast {

// A stretch of FASTA text, parsed without knowledge of what stands before it.
struct FastaPiece {
  struct Record {
    std::string name;
    std::uint64_t line =
        0;  // of the header, counted from the piece's first line; 0 where the piece begins in mid-record
    PackedRun sequence;
  };
  struct Error {
    std::uint64_t line;
    std::string what;
  };
  std::vector<Record> records;
  std::uint64_t lines = 0;  // line ends in the piece
  std::optional<Error> error;
};

// The text begins at a line's start, or within a line of sequence.
FastaPiece parse_fasta(std::string_view text, bool at_line_start);

// Turns FASTA into a .2bit file. Memory is bounded by the largest contig, a quarter of a byte a base.
class FastaConverter {
 public:
  // source names the FASTA in messages; the target must not exist.
  FastaConverter(std::string source, std::string target, int threads, std::uint64_t offset_limit);

  // Takes the next stretch of text, cut anywhere, which is not needed after the call. What is wrong with it may show in
  // a later call only. Throws FormatError or std::system_error; then the object is spent.
  void feed(std::string_view text);
  // Writes what is left. Returns the number of IUPAC letters taken as N.
  std::uint64_t finish();

 private:
  struct Span {
    std::string_view text;
    bool at_line_start;
  };
  std::vector<Span> cut(std::string_view text) const;
  void convert(std::string_view text);
  void append_parsed();
  void append(const FastaPiece& piece);
  void begin_contig(const std::string& name, std::uint64_t line);
  void end_contig();

  std::string source_;
  int threads_;
  TwoBitWriter writer_;
  std::string rest_;                // the beginning of a line that may turn out a header, or blanks in mid-line
  std::vector<FastaPiece> parsed_;  // still to be appended
  bool at_line_start_ = true;
  std::uint64_t lines_ = 0;
  bool in_contig_ = false;
  std::string name_;
  PackedRun sequence_;
  std::uint64_t iupac_ = 0;
  std::unordered_map<std::string, std::uint64_t> header_lines_;
};

}  // namespace dnafast
