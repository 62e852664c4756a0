#include "core/genome.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/kernels.hpp"
#include "core/packing.hpp"
#include "core/parallel.hpp"

namespace dnafast {
namespace {

// The part of [start, start + length) that lies inside the contig. Careful with sums: start may be any number.
struct Inside {
  std::int64_t start;
  std::int64_t end;
};

Inside clip(const Contig& contig, std::int64_t start, std::int64_t length) {
  const std::int64_t size = contig.length;
  if (start >= size || start <= -length) return {0, 0};
  return {std::max<std::int64_t>(start, 0), std::min(size, start + length)};
}

// Calls visit(start, end) for each block's part within [start, end).
template <class Visit>
void visit_blocks(std::span<const Interval> blocks, std::int64_t start, std::int64_t end, Visit visit) {
  auto block =
      std::partition_point(blocks.begin(), blocks.end(), [start](const Interval& b) { return b.end <= start; });
  for (; block != blocks.end() && block->start < end; ++block) {
    visit(std::max<std::int64_t>(block->start, start), std::min<std::int64_t>(block->end, end));
  }
}

}  // namespace

Genome::Genome(std::vector<Contig> contigs, std::unique_ptr<Storage> storage)
    : contigs_(std::move(contigs)),
      storage_(std::move(storage)),
      masked_read_(std::make_unique<std::atomic<bool>[]>(contigs_.size())),
      masked_(contigs_.size()) {}

std::span<const Interval> Genome::masked(std::size_t contig) const {
  if (!masked_read_[contig].load(std::memory_order_acquire)) {
    const std::lock_guard lock(reading_masked_);
    if (!masked_read_[contig].load(std::memory_order_relaxed)) {
      storage_->check();
      masked_[contig] = storage_->read_masked(contig, contigs_[contig]);
      masked_read_[contig].store(true, std::memory_order_release);
    }
  }
  return masked_[contig];
}

void decode(const Contig& contig, std::int64_t start, std::int64_t length, bool reverse_complement,
            std::uint8_t* codes) {
  const Inside inside = clip(contig, start, length);
  if (inside.start == inside.end) {
    std::memset(codes, unknown_code, static_cast<std::size_t>(length));
    return;
  }
  // How many codes lie outside the contig, in reading direction.
  const std::int64_t before = inside.start - start;
  const std::int64_t after = start + length - inside.end;
  const std::int64_t leading = reverse_complement ? after : before;
  const std::int64_t trailing = reverse_complement ? before : after;
  std::memset(codes, unknown_code, static_cast<std::size_t>(leading));
  std::memset(codes + length - trailing, unknown_code, static_cast<std::size_t>(trailing));
  if (reverse_complement) {
    kernels().unpack_reverse_complement(contig.packed, inside.start, inside.end, codes + leading);
  } else {
    kernels().unpack(contig.packed, inside.start, inside.end, codes + leading);
  }
  visit_blocks(contig.unknown, inside.start, inside.end, [&](std::int64_t block_start, std::int64_t block_end) {
    const std::int64_t first = reverse_complement ? start + length - block_end : block_start - start;
    std::memset(codes + first, unknown_code, static_cast<std::size_t>(block_end - block_start));
  });
}

void prefetch(const Contig& contig, std::int64_t start, std::int64_t length) {
  constexpr std::int64_t bases_a_line = 4 * 64;
  const Inside inside = clip(contig, start, length);
  for (std::int64_t base = inside.start; base < inside.end; base += bases_a_line) {
    __builtin_prefetch(contig.packed + base / 4);
  }
}

void copy_packed(const Genome& genome, std::uint64_t first, std::span<std::uint8_t> out) {
  genome.check();
  for (const Contig& contig : genome.contigs()) {
    if (out.empty()) return;
    const std::uint64_t size = (std::uint64_t{contig.length} + 3) / 4;
    if (first >= size) {
      first -= size;
      continue;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size - first, out.size()));
    std::memcpy(out.data(), contig.packed + first, count);
    out = out.subspan(count);
    first = 0;
  }
  if (!out.empty()) {
    throw std::invalid_argument("out reaches " + std::to_string(out.size()) + " bytes past the packed genome's end");
  }
}

Composition compose(const Genome& genome, std::size_t contig_index, std::int64_t start, std::int64_t length) {
  const Contig& contig = genome.contigs()[contig_index];
  const Inside inside = clip(contig, start, length);
  Composition result;
  result.gc = kernels().count_gc(contig.packed, inside.start, inside.end);
  result.unknown = static_cast<std::uint32_t>(length - (inside.end - inside.start));
  visit_blocks(contig.unknown, inside.start, inside.end, [&](std::int64_t block_start, std::int64_t block_end) {
    result.gc -= kernels().count_gc(contig.packed, block_start, block_end);
    result.unknown += static_cast<std::uint32_t>(block_end - block_start);
  });
  visit_blocks(genome.masked(contig_index), inside.start, inside.end,
               [&](std::int64_t block_start, std::int64_t block_end) {
                 result.masked += static_cast<std::uint32_t>(block_end - block_start);
               });
  return result;
}

void check_windows(const Genome& genome, const WindowColumns& windows) {
  const std::size_t contigs = genome.contigs().size();
  for (std::size_t i = 0; i < windows.contig.size(); ++i) {
    const std::int32_t contig = windows.contig[i];
    if (contig < 0 || static_cast<std::size_t>(contig) >= contigs) {
      throw std::invalid_argument("windows.contig[" + std::to_string(i) + "]=" + std::to_string(contig) +
                                  " is no contig's number; there are " + std::to_string(contigs));
    }
    const int strand = windows.strand[i];
    if (strand < -1 || strand > 1) {
      throw std::invalid_argument("windows.strand[" + std::to_string(i) + "]=" + std::to_string(strand) +
                                  " must be 1, -1 or 0");
    }
  }
}

std::size_t contig_number(std::size_t contigs, const WindowColumns& windows, std::size_t row) {
  const std::int32_t contig = windows.contig[row];
  if (contig < 0 || static_cast<std::size_t>(contig) >= contigs) {
    throw std::invalid_argument("windows.contig[" + std::to_string(row) + "]=" + std::to_string(contig) +
                                " was changed while windows were read");
  }
  return static_cast<std::size_t>(contig);
}

void compose_windows(const Genome& genome, const WindowColumns& windows, std::int64_t length,
                     std::span<Composition> result, int threads) {
  genome.check();
  // Measured: one to two microseconds a window, most of it waiting for memory; a thread wakes in 20.
  parallel_for(windows.contig.size(), 64, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      result[i] = compose(genome, contig_number(genome.contigs().size(), windows, i), windows.start[i], length);
    }
  });
}

std::string fetch(const Genome& genome, std::size_t contig_index, std::int64_t start, std::int64_t length) {
  genome.check();
  const Contig& contig = genome.contigs()[contig_index];
  std::string letters(static_cast<std::size_t>(length), '\0');
  decode(contig, start, length, false, reinterpret_cast<std::uint8_t*>(letters.data()));
  for (char& letter : letters) letter = "ACGTN"[static_cast<std::uint8_t>(letter)];
  const Inside inside = clip(contig, start, length);
  visit_blocks(genome.masked(contig_index), inside.start, inside.end,
               [&](std::int64_t block_start, std::int64_t block_end) {
                 for (std::int64_t i = block_start; i < block_end; ++i)
                   letters[static_cast<std::size_t>(i - start)] |= 0x20;
               });
  return letters;
}

PackedGenome pack_sequences(std::vector<std::string> names, std::span<const std::string_view> sequences, int threads) {
  struct Storage : Genome::Storage {
    void check() const override {}
    std::vector<Interval> read_masked(std::size_t i, const Contig&) override { return std::move(runs[i].masked); }
    std::vector<PackedRun> runs;
  };
  auto storage = std::make_unique<Storage>();
  storage->runs.resize(sequences.size());
  parallel_for(sequences.size(), 256, threads, [&](std::size_t begin, std::size_t end) {
    Packer packer;
    for (std::size_t i = begin; i < end; ++i) {
      const auto fail = [&](const std::string& what) {
        throw std::invalid_argument("sequences[" + std::to_string(i) + "] ('" + names[i] + "')" + what);
      };
      if (sequences[i].size() > UINT32_MAX) fail(" is longer than 4294967295 bases");
      try {
        packer.add(sequences[i].data(), sequences[i].size());
        storage->runs[i] = packer.finish();
      } catch (const LetterError& error) {
        fail(", position " + std::to_string(error.position) + ": " + error.what());
      }
    }
  });
  PackedGenome result;
  std::vector<Contig> contigs(sequences.size());
  for (std::size_t i = 0; i < contigs.size(); ++i) {
    const PackedRun& run = storage->runs[i];
    contigs[i] = {std::move(names[i]), static_cast<std::uint32_t>(run.length), run.packed.data(), run.unknown};
    result.iupac += run.iupac;
  }
  result.genome = std::make_shared<Genome>(std::move(contigs), std::move(storage));
  return result;
}

}  // namespace dnafast
