#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/genome.hpp"
#include "core/packing.hpp"

namespace dnafast {

inline constexpr std::uint32_t twobit_signature = 0x1A412743;

// Maps a UCSC .2bit file, version 0 or 1, of either byte order. Throws FormatError where the file is not sound and
// std::system_error where it cannot be read.
std::shared_ptr<Genome> open_twobit(const std::string& path);

// Writes a .2bit file contig by contig; version 1 where an offset in the index exceeds offset_limit.
//
// The index stands before the sequences and is known after them: room is left for an index of ordinary size, and the
// sequences are moved up where it does not suffice.
class TwoBitWriter {
 public:
  // Creates the file, which must not exist. Throws std::system_error, as do all calls.
  TwoBitWriter(std::string path, std::uint64_t offset_limit);
  ~TwoBitWriter();
  TwoBitWriter(const TwoBitWriter&) = delete;
  TwoBitWriter& operator=(const TwoBitWriter&) = delete;

  // The name has at most 255 bytes and is new.
  void add(const std::string& name, const PackedRun& sequence);
  // Writes the index and makes sure that all is on the disk.
  void finish();

 private:
  void write(const void* data, std::size_t size, std::uint64_t offset);
  void move_sequences(std::uint64_t from, std::uint64_t to);

  struct Entry {
    std::string name;
    std::uint64_t offset;
  };
  std::string path_;
  std::uint64_t offset_limit_;
  int file_ = -1;
  std::uint64_t end_;
  std::vector<Entry> entries_;
};

}  // namespace dnafast
