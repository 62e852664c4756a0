#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dnafast {

// Base codes: A C G T = 0 1 2 3, anything else 4.
inline constexpr std::uint8_t unknown_code = 4;

// Half-open, 0-based.
struct Interval {
  std::uint32_t start;
  std::uint32_t end;
};

// One sequence of a genome: packed bases as .2bit stores them (four a byte, the first in the high bits, T C A G = 0 1 2
// 3), with its unknown (N) blocks in ascending order. What lies packed under an unknown block means nothing.
struct Contig {
  std::string name;
  std::uint32_t length = 0;
  const std::uint8_t* packed = nullptr;
  std::span<const Interval> unknown;
};

// Bases of a window by kind; a base may count in more than one of them.
struct Composition {
  std::uint32_t gc = 0;       // G and C
  std::uint32_t unknown = 0;  // N, and positions outside the contig
  std::uint32_t masked = 0;   // lower case
};

// The contigs of a genome, in memory or mapped from a .2bit file. Never changes: any number of threads may read it.
class Genome {
 public:
  // What the contigs point into.
  class Storage {
   public:
    virtual ~Storage() = default;
    // Throws FormatError where it can no longer be read.
    virtual void check() const = 0;
    // Called at most once for a contig.
    virtual std::vector<Interval> read_masked(std::size_t index, const Contig& contig) = 0;
  };

  Genome(std::vector<Contig> contigs, std::unique_ptr<Storage> storage);

  std::span<const Contig> contigs() const { return contigs_; }

  // Throws FormatError where the file behind the genome was cut short. Whoever reads bases calls this first, once for
  // many windows; it costs a fraction of a microsecond.
  void check() const { storage_->check(); }

  // Soft-masked blocks, ascending. Read on first use: a human genome has five million, and most work needs none.
  // Throws FormatError.
  std::span<const Interval> masked(std::size_t contig) const;

 private:
  std::vector<Contig> contigs_;
  std::unique_ptr<Storage> storage_;
  // Not std::call_once: where the reading throws, some C++ runtimes never come back from the next call.
  mutable std::mutex reading_masked_;
  std::unique_ptr<std::atomic<bool>[]> masked_read_;
  mutable std::vector<std::vector<Interval>> masked_;
};

struct PackedGenome {
  std::shared_ptr<Genome> genome;
  std::uint64_t iupac = 0;  // letters other than A C G T N, taken as N
};

// A genome in memory. Throws std::invalid_argument naming the sequence and position of a letter that is no nucleotide.
PackedGenome pack_sequences(std::vector<std::string> names, std::span<const std::string_view> sequences, int threads);

// Writes the base codes of [start, start + length): unknown_code where a base is unknown or outside the contig.
void decode(const Contig& contig, std::int64_t start, std::int64_t length, bool reverse_complement,
            std::uint8_t* codes);

// Asks for the bases of a window that is decoded soon; windows lie far apart, and waiting for memory is most of the
// cost.
void prefetch(const Contig& contig, std::int64_t start, std::int64_t length);

// The packed bases of all contigs, one contig after the other, each from a byte of its own: bytes [first, first + size
// of out) of them. Throws std::invalid_argument where there are not so many.
void copy_packed(const Genome& genome, std::uint64_t first, std::span<std::uint8_t> out);

Composition compose(const Genome& genome, std::size_t contig, std::int64_t start, std::int64_t length);

// Columns of a window table; all of one size. A strand of -1 reads the reverse complement, 0 and 1 read forward.
struct WindowColumns {
  std::span<const std::int32_t> contig;
  std::span<const std::int64_t> start;
  std::span<const std::int8_t> strand;
};

// Throws std::invalid_argument where a contig's number or a strand is out of range.
void check_windows(const Genome& genome, const WindowColumns& windows);

// The contig's number of a window that was checked, checked again where it is used: the table is the caller's, who may
// have written into it since. Throws std::invalid_argument.
std::size_t contig_number(std::size_t contigs, const WindowColumns& windows, std::size_t row);

// Composition of each window. The windows have been checked.
void compose_windows(const Genome& genome, const WindowColumns& windows, std::int64_t length,
                     std::span<Composition> result, int threads);

// Letters A C G T N of [start, start + length), lower case where masked, N outside the contig.
std::string fetch(const Genome& genome, std::size_t contig, std::int64_t start, std::int64_t length);

}  // namespace dnafast
