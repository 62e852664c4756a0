#include "core/twobit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "core/error.hpp"
#include "core/mapping.hpp"

namespace dnafast {
namespace {

constexpr std::uint64_t header_size = 16;
// Enough for the index of two thousand contigs; a hole that costs no room on the disk.
constexpr std::uint64_t first_sequence_offset = 65536;

// Reads the mapped file, never past its end.
class Reader {
 public:
  Reader(const std::string& path, std::span<const std::uint8_t> bytes) : path_(path), bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t size() const { return bytes_.size(); }

  [[noreturn]] void fail(const std::string& what) const { throw FormatError(path_, 0, what); }

  // Where the next `size` bytes begin; what names them in the message.
  const std::uint8_t* take(std::uint64_t size, const std::string& what) {
    if (size > bytes_.size() - position_) {
      fail("the file ends within " + what + " (" + std::to_string(bytes_.size()) +
           " bytes); it is truncated or damaged");
    }
    const std::uint8_t* begin = bytes_.data() + position_;
    position_ += size;
    return begin;
  }

  std::uint32_t word(const std::string& what) { return word_at(take(4, what)); }

  std::uint64_t long_word(const std::string& what) {
    std::uint64_t value;
    std::memcpy(&value, take(8, what), 8);
    return swapped_ ? __builtin_bswap64(value) : value;
  }

  std::uint32_t word_at(const std::uint8_t* address) const {
    std::uint32_t value;
    std::memcpy(&value, address, 4);
    return swapped_ ? __builtin_bswap32(value) : value;
  }

  void seek(std::uint64_t position, const std::string& what) {
    if (position > bytes_.size())
      fail("the index puts " + what + " past the end of the file; it is truncated or damaged");
    position_ = position;
  }

  void read_signature() {
    const std::uint32_t signature = word("the header");
    if (signature == __builtin_bswap32(twobit_signature)) {
      swapped_ = true;
    } else if (signature != twobit_signature) {
      fail("this is no .2bit file: it does not begin with the signature 0x1A412743");
    }
  }

 private:
  const std::string& path_;
  std::span<const std::uint8_t> bytes_;
  std::uint64_t position_ = 0;
  bool swapped_ = false;
};

// Blocks as the file holds them: all starts, then all sizes.
struct BlockTable {
  const std::uint8_t* starts;
  const std::uint8_t* sizes;
  std::uint32_t count;
};

BlockTable take_blocks(Reader& reader, const std::string& what) {
  BlockTable table{};
  table.count = reader.word(what);
  table.starts = reader.take(std::uint64_t{4} * table.count, what);
  table.sizes = reader.take(std::uint64_t{4} * table.count, what);
  return table;
}

std::vector<Interval> read_blocks(const Reader& reader, const BlockTable& table, std::uint32_t length,
                                  const std::string& what) {
  std::vector<Interval> blocks(table.count);
  std::uint64_t previous_end = 0;
  for (std::size_t i = 0; i < table.count; ++i) {
    const std::uint64_t start = reader.word_at(table.starts + 4 * i);
    const std::uint64_t end = start + reader.word_at(table.sizes + 4 * i);
    if (start < previous_end || end > length) {
      reader.fail(what + ", block " + std::to_string(i) + ": " + std::to_string(start) + "-" + std::to_string(end) +
                  " does not follow the block before it within " + std::to_string(length) +
                  " bases; the file is damaged");
    }
    blocks[i] = {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
    previous_end = end;
  }
  return blocks;
}

// What the contigs of an open file point into.
struct Storage : Genome::Storage {
  explicit Storage(const std::string& name) : path(name), mapping(name), reader(path, mapping.bytes()) {}

  void check() const override { mapping.check_size(); }

  std::vector<Interval> read_masked(std::size_t i, const Contig& contig) override {
    return read_blocks(reader, masked[i], contig.length, "contig '" + contig.name + "', mask blocks");
  }

  const std::string path;
  const Mapping mapping;
  Reader reader;
  std::vector<std::vector<Interval>> unknown;
  std::vector<BlockTable> masked;
};

}  // namespace

std::shared_ptr<Genome> open_twobit(const std::string& path) {
  auto storage = std::make_unique<Storage>(path);
  Reader& reader = storage->reader;
  reader.read_signature();
  const std::uint32_t version = reader.word("the header");
  if (version > 1) reader.fail("version " + std::to_string(version) + " of .2bit is not known; 0 and 1 are");
  const std::uint32_t count = reader.word("the header");
  reader.word("the header");  // reserved

  // Grown as entries are read, since a damaged count may be anything.
  std::vector<Contig> contigs;
  std::vector<std::uint64_t> offsets;
  std::unordered_set<std::string> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t size = *reader.take(1, "the index");
    std::string name(reinterpret_cast<const char*>(reader.take(size, "the index")), size);
    offsets.push_back(version == 1 ? reader.long_word("the index") : reader.word("the index"));
    if (name.empty() || name.find('\0') != std::string::npos) {
      reader.fail("contig " + std::to_string(i) + " of the index has no proper name; the file is damaged");
    }
    if (!names.insert(name).second) reader.fail("contig '" + name + "' stands twice in the index");
    contigs.push_back({std::move(name), 0, nullptr, {}});
  }
  storage->unknown.resize(contigs.size());
  storage->masked.resize(contigs.size());
  std::uint64_t records_size = 0;
  for (std::size_t i = 0; i < contigs.size(); ++i) {
    Contig& contig = contigs[i];
    const std::string what = "contig '" + contig.name + "'";
    reader.seek(offsets[i], what);
    contig.length = reader.word(what);
    storage->unknown[i] = read_blocks(reader, take_blocks(reader, what), contig.length, what + ", N blocks");
    contig.unknown = storage->unknown[i];
    storage->masked[i] = take_blocks(reader, what);
    reader.word(what);  // reserved
    contig.packed = reader.take((std::uint64_t{contig.length} + 3) / 4, what);
    // A damaged index that sends many contigs to one large record would fill the memory with copies of its blocks.
    records_size += reader.position() - offsets[i];
    if (records_size > reader.size()) reader.fail(what + " overlaps another one; the file is damaged");
  }
  return std::make_shared<Genome>(std::move(contigs), std::move(storage));
}

TwoBitWriter::TwoBitWriter(std::string path, std::uint64_t offset_limit)
    : path_(std::move(path)), offset_limit_(offset_limit), end_(first_sequence_offset) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) throw std::system_error(errno, std::generic_category(), path_);
}

TwoBitWriter::~TwoBitWriter() {
  if (file_ >= 0) ::close(file_);
}

void TwoBitWriter::add(const std::string& name, const PackedRun& sequence) {
  std::vector<std::uint32_t> head{static_cast<std::uint32_t>(sequence.length)};
  head.reserve(4 + 2 * (sequence.unknown.size() + sequence.masked.size()));
  for (const auto* blocks : {&sequence.unknown, &sequence.masked}) {
    head.push_back(static_cast<std::uint32_t>(blocks->size()));
    for (const Interval& block : *blocks) head.push_back(block.start);
    for (const Interval& block : *blocks) head.push_back(block.end - block.start);
  }
  head.push_back(0);
  entries_.push_back({name, end_});
  write(head.data(), 4 * head.size(), end_);
  end_ += 4 * head.size();
  write(sequence.packed.data(), sequence.packed.size(), end_);
  end_ += sequence.packed.size();
}

void TwoBitWriter::finish() {
  std::uint64_t names_size = 0;
  for (const Entry& entry : entries_) names_size += 1 + entry.name.size();
  const auto index_end = [&](std::uint64_t offset_size) {
    return header_size + names_size + offset_size * entries_.size();
  };
  const std::uint64_t room_short = std::max(index_end(4), first_sequence_offset) - first_sequence_offset;
  const bool wide = !entries_.empty() && entries_.back().offset + room_short > offset_limit_;
  const std::uint64_t shift = wide ? std::max(index_end(8), first_sequence_offset) - first_sequence_offset : room_short;
  if (shift > 0) move_sequences(first_sequence_offset, first_sequence_offset + shift);

  std::string index;
  const auto put = [&index](const auto& value) { index.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(twobit_signature);
  put(std::uint32_t{wide});
  put(static_cast<std::uint32_t>(entries_.size()));
  put(std::uint32_t{0});
  for (const Entry& entry : entries_) {
    put(static_cast<std::uint8_t>(entry.name.size()));
    index += entry.name;
    if (wide) {
      put(entry.offset + shift);
    } else {
      put(static_cast<std::uint32_t>(entry.offset + shift));
    }
  }
  write(index.data(), index.size(), 0);
  if (::fsync(file_) != 0 || ::close(std::exchange(file_, -1)) != 0) {
    throw std::system_error(errno, std::generic_category(), path_);
  }
}

void TwoBitWriter::write(const void* data, std::size_t size, std::uint64_t offset) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(file_, bytes, std::min<std::size_t>(size, 1 << 30), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw std::system_error(written < 0 ? errno : ENOSPC, std::generic_category(), path_);
    bytes += written;
    size -= static_cast<std::size_t>(written);
    offset += static_cast<std::uint64_t>(written);
  }
}

// From the back, since the two places overlap.
void TwoBitWriter::move_sequences(std::uint64_t from, std::uint64_t to) {
  std::vector<char> buffer(4 << 20);
  for (std::uint64_t left = end_ - from; left > 0;) {
    const std::uint64_t size = std::min<std::uint64_t>(left, buffer.size());
    left -= size;
    for (std::uint64_t done = 0; done < size;) {
      const ssize_t count = ::pread(file_, buffer.data() + done, size - done, static_cast<off_t>(from + left + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) throw std::system_error(count < 0 ? errno : EIO, std::generic_category(), path_);
      done += static_cast<std::uint64_t>(count);
    }
    write(buffer.data(), size, to + left);
  }
}

}  // namespace dnafast
